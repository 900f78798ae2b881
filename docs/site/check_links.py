"""usage: check_links.py SITE     Every local link and anchor of the pages leads somewhere, and nothing is loaded from elsewhere."""
import html.parser
import pathlib
import sys
import urllib.parse


class Page(html.parser.HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.links, self.anchors, self.loads = [], set(), []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name == "id" or (tag == "a" and name == "name"):
                self.anchors.add(value)
            if name in ("href", "src") and value is not None:
                self.links.append(value)
                if name == "src" or tag == "link":
                    self.loads.append(value)


def main(site):
    root = pathlib.Path(site).resolve()
    pages = {path: Page(path.read_text()) for path in sorted(root.rglob("*.html"))}
    links, faults = 0, []
    for path, page in pages.items():
        where = path.relative_to(root)
        faults += [f"{where}: loads {u} from elsewhere" for u in page.loads if urllib.parse.urlparse(u).netloc]
        for link in page.links:
            url = urllib.parse.urlparse(link)
            if url.scheme == "data" or url.netloc or url.scheme == "mailto":
                continue
            links += 1
            name = urllib.parse.unquote(url.path)
            target = (path.parent / name).resolve() if name else path
            if root not in target.parents or not target.is_file():
                faults.append(f"{where}: {link}: there is no such file")
            elif url.fragment and target in pages and urllib.parse.unquote(url.fragment) not in pages[target].anchors:
                faults.append(f"{where}: {link}: there is no such anchor")
    for fault in sorted(set(faults)):
        print(fault)
    print(f"{len(pages)} pages, {links} local links, {len(set(faults))} lead nowhere")
    return 1 if faults or not links else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
