"""usage: pages.py ROOT OUT TAGFILE     The pages of README and docs/, the list of them, and that of all public names."""
import html
import pathlib
import re
import shutil
import sys
import urllib.parse
import xml.etree.ElementTree

import formulas
import frame
import markdown_it

# Where a page stands in the list; every page stands in one of these.
SECTIONS = (
    ("How to", "training scaling integrate custom_scheme extending export microcontroller low_bits rounding pitfalls"),
    ("Why and how it works", "why design math performance reliability"),
    ("Tables", "schemes observers estimators errors models results compare"),
)
# Questions that a section of a page answers: the words, the page, the anchor of its heading.
QUESTIONS = (
    ("How do I keep my own training loop?", "integrate", "a-loop-of-your-own-on-the-graph-examplesown_loop"),
    ("How do I use it inside other code: plain loops, Eigen, libtorch, mlpack?", "integrate", "what-is-called-on-spans"),
    ("How do I add an operator of my own?", "extending", "a-function-of-one-number"),
    ("How do I train on my own data?", "training", "data"),
    ("How do I take numbers from my own arrays?", "training", "arrays-of-ones-own"),
    ("How do I start from a trained network (transfer learning)?", "training", "transfer-learning"),
    ("How do I give each layer its own bits (mixed precision)?", "low_bits", "bits-for-each-layer"),
    ("How do I train in several processes?", "scaling", "the-same-bits"),
    ("How do I write a scheme of my own, and know that it is right?", "custom_scheme", "what-to-write"),
)
OTHERS = ("CHANGELOG", "CONTRIBUTING", "SECURITY")


def anchor(text):
    """As GitHub names the anchor of a heading."""
    return re.sub(r"[^\w\- ]", "", text.lower().strip()).replace(" ", "-")


class Names:
    """Public names and where the reference explains them, from Doxygen's tag file."""

    def __init__(self, tagfile):
        self.all = []  # (name, kind, qualified, link)
        self.headers = []  # (header, link)
        for compound in xml.etree.ElementTree.parse(tagfile).getroot():
            kind, qualified = compound.get("kind"), compound.findtext("name")
            if kind == "group":
                self.headers.append((compound.findtext("title"), "reference/" + compound.findtext("filename")))
            if kind in ("dir", "page", "file") or "detail" in qualified.split("::"):
                continue
            if kind in ("struct", "class", "concept", "union"):
                self.add(kind, qualified, compound.findtext("filename"))
            for member in compound.findall("member"):
                where = member.findtext("anchorfile")
                if where and member.findtext("name"):
                    # Of a header's group: its namespace has the same member, under its full name.
                    if kind == "group":
                        continue
                    name = f"{qualified}::{member.findtext('name')}"
                    self.add(member.get("kind"), name, f"{where}#{member.findtext('anchor')}")
        self.all.sort(key=lambda n: (n[0].lower(), n[2]))
        by_name = {}
        for name, kind, qualified, link in self.all:
            # Members of types are looked up with their type; what stands in a namespace by itself.
            if kind in ("struct", "class", "concept", "union"):
                by_name.setdefault(name, {})[link.split("#")[0]] = link
        types = {q for _, kind, q, _ in self.all if kind in ("struct", "class", "union")}
        for name, kind, qualified, link in self.all:
            scope = qualified.rpartition("::")[0]
            if kind not in ("struct", "class", "concept", "union") and scope not in types:
                by_name.setdefault(name, {}).setdefault(scope, link)
            if scope in types:
                by_name.setdefault(f"{scope.rpartition('::')[2]}::{name}", {}).setdefault(scope, link)
        self.unique = {name: next(iter(links.values())) for name, links in by_name.items() if len(links) == 1}

    def add(self, kind, qualified, where):
        where = where if ".html" in where else where + ".html"
        bare = re.sub(r"<.*", "", qualified)
        self.all.append((bare.rpartition("::")[2], kind, qualified, "reference/" + where))

    def link(self, code):
        """Where code of a page leads: a name, perhaps called."""
        found = re.fullmatch(r"(?:stet::)?((?:\w+::)?\w+)(\(.*\))?", code)
        if not found or not re.search(r"[A-Z_]|::|\(", code):
            return None
        return self.unique.get(found[1]) or self.unique.get(found[1].rpartition("::")[2] if "::" in found[1] else "")


class Site:
    def __init__(self, root, out, names):
        self.root, self.out, self.names = root, out, names
        self.markdown = markdown_it.MarkdownIt("commonmark").enable("table")
        self.copied = set()

    def page(self, source):
        """Renders a page of the repository to the same place in the site, and returns its title."""
        path = source.relative_to(self.root)
        target = self.out / ("index.html" if path.name == "README.md" else path.with_suffix(".html"))
        to_root = "../" * (len(path.parts) - 1)
        tokens = self.markdown.parse(source.read_text())
        title, seen = "stet", {}
        for i, token in enumerate(tokens):
            if token.type == "heading_open":
                text = "".join(c.content for c in tokens[i + 1].children if c.type in ("text", "code_inline"))
                name = anchor(text)
                seen[name] = seen.get(name, -1) + 1
                token.attrSet("id", name if seen[name] == 0 else f"{name}-{seen[name]}")
                if token.tag == "h1":
                    title = text
            for child in token.children or []:
                self.resolve(source, child, to_root)
        body = self.markdown.renderer.render(tokens, self.markdown.options, {})
        body = body.replace("<table>", '<div class="wide"><table>').replace("</table>", "</table></div>")
        self.write(target, to_root, title, body)
        return title

    def resolve(self, source, token, to_root):
        for attribute in ("href", "src"):
            value = token.attrGet(attribute)
            if value is None:
                continue
            url = urllib.parse.urlparse(value)
            if url.scheme or url.netloc or not url.path:
                continue
            file = (source.parent / url.path).resolve()
            if file.suffix == ".md":
                name = re.sub(r"\.md$", ".html", url.path) if file != self.root / "README.md" else url.path.replace("README.md", "index.html")
                token.attrSet(attribute, name + (f"#{url.fragment}" if url.fragment else ""))
            elif file.is_file() and self.root in file.parents:
                self.copied.add(file)
        if token.type == "code_inline":
            link = self.names.link(token.content)
            if link:
                token.type, token.content = "html_inline", f'<a href="{to_root}{link}"><code>{html.escape(token.content)}</code></a>'
            elif source == self.root / "docs/math.md" and formulas.is_formula(token.content):
                try:
                    token.content = formulas.render(token.content)
                except ValueError as error:
                    sys.exit(f"docs/math.md: a formula that docs/site/formulas.py does not read: {token.content}: {error}")
                token.type = "html_inline"

    def write(self, target, to_root, title, body):
        target.parent.mkdir(parents=True, exist_ok=True)
        text = frame.head(to_root, html.escape(title), to_root + "site.css") + body + frame.FOOT
        target.write_text(text)

    def copy_files(self):
        for file in sorted(self.copied):
            to = self.out / file.relative_to(self.root)
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, to)


def list_of_pages(site):
    titles = {p.stem: site.page(p) for p in sorted((site.root / "docs").glob("*.md"))}
    body, listed = "<h1>Pages</h1>\n", set()
    steps = sorted((site.root / "docs/tutorial").glob("*.md"))
    if steps:
        # The titles of the steps hold their numbers, which the list gives.
        lines = "".join(f'<li><a href="tutorial/{p.stem}.html">{html.escape(site.page(p).split(". ", 1)[-1])}</a></li>' for p in steps)
        body += f"<h2>Tutorial</h2><ol>{lines}</ol>\n"
    asked = "".join(f'<li><a href="{page}.html#{heading}">{html.escape(words)}</a></li>' for words, page, heading in QUESTIONS)
    body += f"<h2>Questions</h2><ul>{asked}</ul>\n"
    for section, pages in SECTIONS:
        here = [p for p in pages.split() if p in titles]
        listed.update(here)
        lines = "".join(f'<li><a href="{p}.html">{html.escape(titles[p])}</a></li>' for p in here)
        body += f"<h2>{section}</h2><ul>{lines}</ul>\n"
    if set(titles) - listed:
        sys.exit(f"docs/site/pages.py: SECTIONS has no place for {', '.join(sorted(set(titles) - listed))}")
    others = "".join(f'<li><a href="../{p}.html">{html.escape(site.page(site.root / (p + ".md")))}</a></li>'
                     for p in OTHERS if (site.root / (p + ".md")).exists())
    site.write(site.out / "docs/index.html", "../", "Pages", body + f"<h2>The project</h2><ul>{others}</ul>\n")


def list_of_headers(site):
    rooms = {}
    for header, link in sorted(site.names.headers):
        room = header.split("/")[1] if header.count("/") > 1 else "stet"
        comment = re.search(r"^#pragma once\n((?://[^\n]*\n)*)", (site.root / "include" / header).read_text())
        words = re.split(r"(?<=[.:])\n|(?<=\.) ", comment[1].replace("// ", "").replace("\n", " ") if comment else "")[0]
        rooms.setdefault(room, []).append(f'<li><a href="{link}"><code>{html.escape(header)}</code></a><br><small>{html.escape(words)}</small></li>')
    body = "<h1>Headers</h1><p>By room, as <a href=\"docs/design.html\">the design</a> has them.</p>"
    site.write(site.out / "headers.html", "", "Headers", body + "".join(f"<h2>{room}</h2><ul>{''.join(rows)}</ul>" for room, rows in rooms.items()))


def mend_reference(site):
    """Doxygen's line of links to parts of a page names parts that it leaves out, too."""
    for page in sorted((site.out / "reference").glob("*.html")):
        text = page.read_text()
        page.write_text(re.sub(r'<div class="summary">.*?</div>', "", text, flags=re.S))


FILTER = """<script>
document.getElementById("find").addEventListener("input", function () {
  const want = this.value.toLowerCase();
  for (const row of document.querySelectorAll("#names li")) row.hidden = !row.textContent.toLowerCase().includes(want);
});
</script>"""


def list_of_names(site):
    rows, seen = [], set()
    for name, kind, qualified, link in site.names.all:
        if kind in ("friend", "enumvalue") or (qualified, kind) in seen:
            continue
        seen.add((qualified, kind))
        scope = qualified.rpartition("::")[0]
        rows.append(f'<li><a href="{link}">{html.escape(name)}</a> <small>{kind}, {html.escape(scope)}</small></li>')
    body = (f"<h1>Names</h1><p>All {len(rows)} public names of the headers, with what explains them.</p>"
            f'<input id="find" type="search" placeholder="part of a name" aria-label="part of a name"><ul id="names">{"".join(rows)}</ul>{FILTER}')
    site.write(site.out / "names.html", "", "Names", body)
    return len(rows)


def main(root, out, tagfile):
    root, out = pathlib.Path(root).resolve(), pathlib.Path(out).resolve()
    site = Site(root, out, Names(tagfile))
    shutil.copyfile(root / "docs/site/site.css", out / "site.css")
    site.page(root / "README.md")
    list_of_pages(site)
    site.copy_files()
    list_of_headers(site)
    mend_reference(site)
    print(f"{list_of_names(site)} public names, {len(list(out.rglob('*.html')))} pages in {out}")


if __name__ == "__main__":
    main(*sys.argv[1:])
