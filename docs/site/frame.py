"""The frame that all pages share.   usage: frame.py FOLDER     Doxygen's header.html and footer.html."""
import pathlib
import sys

LINKS = (("index.html", "Start"), ("docs/index.html", "Pages"), ("names.html", "Names"), ("headers.html", "Headers"))


def head(to_root, title, style):
    links = "".join(f'<a href="{to_root}{page}">{name}</a>' for page, name in LINKS)
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><link rel="stylesheet" href="{style}"></head>
<body><nav class="site"><b>stet</b>{links}</nav><main>
"""


FOOT = "</main></body></html>\n"

if __name__ == "__main__":
    folder = pathlib.Path(sys.argv[1])
    (folder / "header.html").write_text(head("../", "$title", "$relpath^site.css"))
    (folder / "footer.html").write_text("</div>" + FOOT)
