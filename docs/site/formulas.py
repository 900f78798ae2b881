"""usage: formulas.py FORMULA...     A formula of docs/math.md, written in a line of code, as MathML; what is no formula is said.

Quotients stay in the line: where a quotient is rounded, the order in which it is written is what is computed."""
import html
import re
import sys

RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789−")
LOWERED = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
GREEK = {"gamma": "γ", "beta": "β"}
# What has an index behind its underscore; of other names the underscore is a part.
INDEXED = ("lo", "hi", "eps", "var", "gamma")
CLOSING = {"(": ")", "[": "]", "{": "}", "⌊": "⌋", "⌈": "⌉", "⟨": "⟩"}
TOKEN = re.compile(
    r"(?P<space>\s+)|(?P<number>\d+(?:\.\d+)?)"
    r"|(?P<name>[^\W\d_⁰¹²³⁴-⁹₀-₉][\u0300-\u036f]?(?:[^\W⁰¹²³⁴-⁹₀-₉]|[\u0300-\u036f])*)"
    r"|(?P<raised>[⁰¹²³⁴-⁹⁻]+)|(?P<lowered>[₀-₉]+)"
    r"|(?P<infix>\+=|-=|−=|\*=|:=|>>|[=<>≤≥≠·+−*/←])|(?P<other>['′^()\[\]{}⌊⌋⌈⌉⟨⟩|‖,;√Σ±…])")


def name(word):
    base, _, index = word.partition("_")
    if index and "_" not in index and (len(base) == 1 or base in INDEXED):
        return f"<msub>{name(base)}{name(index) if index[0].isalpha() else f'<mn>{index}</mn>'}</msub>"
    if word == "log2":
        return "<msub><mi>log</mi><mn>2</mn></msub>"
    return f"<mi>{html.escape(GREEK.get(word, word))}</mi>"


def fixed(sign):
    return f'<mo stretchy="false">{html.escape(sign)}</mo>'


class Parser:
    def __init__(self, text):
        self.tokens, at = [], 0
        while at < len(text):
            found = TOKEN.match(text, at)
            if not found:
                raise ValueError(f"'{text[at]}' is no part of a formula")
            self.tokens.append((found.lastgroup, found[0]))
            at = found.end()
        self.at = 0

    def peek(self):
        return self.tokens[self.at] if self.at < len(self.tokens) else (None, "")

    def take(self):
        token = self.peek()
        self.at += 1
        return token

    def until(self, closing):
        """Everything up to a bracket, in it, as one piece."""
        pieces = []
        while self.peek()[1] != closing:
            if self.peek()[0] is None:
                raise ValueError(f"'{closing}' is missing")
            pieces += self.piece()
        self.take()
        return "".join(pieces)

    def power(self):
        kind, text = self.take()
        if text in ("−", "±"):
            return fixed(text) + self.power()
        if text == "(":
            return self.until(")")
        if text in CLOSING:
            return fixed(text) + self.until(CLOSING[text]) + fixed(CLOSING[text])
        if kind == "number":
            return f"<mn>{text}</mn>"
        if kind != "name":
            raise ValueError(f"'{text}' is no power")
        made = name(text)
        if self.peek()[1] == "(":
            self.take()
            made += fixed("(") + self.until(")") + fixed(")")
        return made

    def piece(self):
        """The next pieces; a line may be broken before each."""
        kind, text = self.take()
        if kind == "space":
            # Between two words; around operators and behind commas MathML has its own.
            words = self.at > 1 and self.tokens[self.at - 2][0] in ("name", "number") and self.peek()[0] in ("name", "number")
            return ['<mspace width="0.35em"/>'] if words else []
        if kind == "infix":
            before = [t for t in self.tokens[:self.at - 1] if t[0] != "space"]
            prefix = not before or before[-1][0] == "infix" or before[-1][1] in ("(", "[", "{", "⌊", "⌈", "⟨", ",", ";", "^")
            form = "prefix" if prefix else "infix"
            return [f'<mo stretchy="false" form="{form}">{html.escape(text)}</mo>']
        if kind == "number":
            made = f"<mn>{text}</mn>"
        elif kind == "name":
            made = name(text)
        elif text in CLOSING:
            inside = []
            while self.peek()[1] != CLOSING[text]:
                if self.peek()[0] is None:
                    raise ValueError(f"'{CLOSING[text]}' is missing")
                inside += self.piece()
            self.take()
            inside = [fixed(text)] + inside
            last = fixed(CLOSING[text])
            return inside[:-1] + self.scripts(inside[-1] + last, last)
        elif text == "√":
            while self.peek()[0] == "space":
                self.take()
            kind, text = self.take()
            inner = self.until(")") if text == "(" else name(text) if kind == "name" else f"<mn>{text}</mn>"
            made = f"<msqrt>{inner}</msqrt>"
        elif text in "|‖":
            return [f'<mo stretchy="false" lspace="0" rspace="0">{text}</mo>']
        elif text in ",;Σ±…":
            return [fixed(text)]
        else:
            raise ValueError(f"'{text}' stands alone")
        return self.scripts(made, made)

    def scripts(self, made, base):
        """Primes, indices and powers behind the last of what was made."""
        front = made[:len(made) - len(base)]
        while True:
            kind, text = self.peek()
            if text in ("'", "′"):
                self.take()
                base = f'<mrow>{base}<mo lspace="0" rspace="0">′</mo></mrow>'
            elif kind == "lowered":
                self.take()
                base = f"<msub>{base}<mn>{text.translate(LOWERED)}</mn></msub>"
            elif kind == "raised":
                self.take()
                base = f"<msup>{base}<mn>{text.translate(RAISED)}</mn></msup>"
            elif text == "^":
                self.take()
                base = f"<msup>{base}<mrow>{self.power()}</mrow></msup>"
            else:
                return [front + base]


def is_formula(code):
    return re.search(r"[=·^√⌊⌈<≤≥>≠Σ]|[)\w] [+−] ", code) is not None and "::" not in code


def render(code):
    """HTML of a formula, perhaps behind the name of what it is; ValueError if it cannot be read."""
    label, colon, formula = code.rpartition(": ")
    parser, lines = Parser(formula), [""]
    while parser.peek()[0] is not None:
        for piece in parser.piece():
            # A line is broken before an operator and behind a comma.
            if 'form="infix"' in piece or lines[-1].endswith((fixed(","), fixed(";"))):
                lines.append("")
            lines[-1] += piece
    made = "<wbr>".join(f"<math><mrow>{line}</mrow></math>" for line in lines)
    return (f"<code>{html.escape(label)}</code>: " if colon else "") + f'<span class="formula">{made}</span>'


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        try:
            print(render(argument) if is_formula(argument) else f"no formula: {argument}")
        except ValueError as error:
            print(f"not read: {argument}: {error}")
