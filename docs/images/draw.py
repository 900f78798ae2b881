"""usage: draw.py [--check]     Draws docs/images/rooms.svg and bits.svg from the tables of docs/design.md and docs/results.md.

With --check nothing is written, and a picture that its table has left behind is a fault."""
import html
import pathlib
import sys

DOCS = pathlib.Path(__file__).resolve().parent.parent


def table(page, heading):
    """Rows of the first table behind a heading, without its head."""
    lines = (DOCS / page).read_text().split(f"\n{heading}\n", 1)[1].split("\n")
    first = next(i for i, line in enumerate(lines) if line.startswith("|"))
    rows = []
    for line in lines[first + 2:]:
        if not line.startswith("|"):
            return rows
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


def picture(width, height, title, parts):
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="14">'
            f'<title>{title}</title><rect width="{width}" height="{height}" fill="#fff"/>\n' + "".join(parts) + "</svg>\n")


def text(x, y, words, anchor="middle", colour="#1d2329"):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{html.escape(words)}</text>\n'


def rooms():
    """The layers of the house, the lowest at the bottom; a room includes only what lies below it."""
    layers = {}
    for layer, room, *_ in table("design.md", "## Rooms"):
        layers.setdefault(layer, []).append(room)
    aside = layers.pop("–")
    numbers, parts = sorted(layers, key=int), []
    for i, number in enumerate(numbers):
        y, here = 20 + 44 * (len(numbers) - 1 - i), layers[number]
        parts.append(text(24, y + 22, number, colour="#5b6670"))
        width = (380 - 8 * (len(here) - 1)) / len(here)
        for j, room in enumerate(here):
            x = 44 + j * (width + 8)
            parts.append(f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="36" rx="4" fill="#e3eefa" stroke="#0b5cad"/>\n')
            parts.append(text(x + width / 2, y + 23, room))
    height = 44 * len(numbers) + 20
    for j, room in enumerate(aside):
        parts.append(f'<rect x="440" y="{20 + 44 * j}" width="100" height="36" rx="4" fill="#f4f6f8" stroke="#5b6670" stroke-dasharray="4 3"/>\n')
        parts.append(text(490, 43 + 44 * j, room))
    return picture(560, height, "The rooms of stet in their layers", parts)


def number(cell):
    return float(cell.strip("*").replace("−", "-"))


def bits():
    """Accuracy of the trained recipes of few bits, mean and spread of three seeds, with the size of the file."""
    rows = [r for r in table("results.md", "## Low bits") if r[0] != "fp32"]
    low, high, parts = 90.0, 92.5, [text(52, 22, "Accuracy in percent, mean and spread of 3 seeds", "start")]
    down = lambda v: 260 - 220 * (v - low) / (high - low)
    for step in range(6):
        value = low + step * (high - low) / 5
        parts.append(f'<line x1="52" x2="460" y1="{down(value):.1f}" y2="{down(value):.1f}" stroke="#d9dfe4"/>\n' + text(46, down(value) + 5, f"{value:.1f}", "end"))
    for i, (name, mean, spread, _, _, size, *_) in enumerate(rows):
        x, mean, spread = 52 + 408 * (i + 0.5) / len(rows), number(mean), number(spread)
        colour = "#5b6670" if not size else "#0b5cad"
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{down(mean - spread):.1f}" y2="{down(mean + spread):.1f}" stroke="{colour}" stroke-width="2"/>\n')
        parts.append(f'<circle cx="{x:.1f}" cy="{down(mean):.1f}" r="5" fill="{colour}"/>\n' + text(x, 282, name.split("`")[1] if "`" in name else name))
        parts.append(text(x, 302, size or "float", colour="#5b6670"))
    return picture(480, 320, "Accuracy with 4, 3, 2 and 1 bits", parts)


def main():
    stale = 0
    for name, drawn in (("rooms.svg", rooms()), ("bits.svg", bits())):
        file = DOCS / "images" / name
        if "--check" not in sys.argv:
            file.write_text(drawn)
        elif not file.exists() or file.read_text() != drawn:
            stale += 1
            print(f"docs/images/{name} is not what its table says: python3 docs/images/draw.py")
    print(f"2 pictures, {stale} stale")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
