"""A page whose tags close in their order."""

from html.parser import HTMLParser

VOID = {"meta", "link", "img", "br", "wbr"}


class WellFormed(HTMLParser):
    """Feeds itself; open: the tags around what is being read."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == [], f"{self.open} are never closed"

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-3:]}"
        self.open.pop()
