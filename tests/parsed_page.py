"""An HTML page as Python's own parser reads it: its tables, its texts, what it loads."""

import html.parser

EMPTY = ("img", "meta", "br")


class ParsedPage(html.parser.HTMLParser):
    """Reads a page, and fails if a tag is not closed.

    Attributes:
        tables: Each table as a list of rows, which are lists of texts; the first is the header.
        links: What `src`, `href` and the like refer to.
        tags: All tags.
        texts: All texts.
    """

    def __init__(self, text):
        super().__init__()
        self.tables, self.links, self.tags, self.texts, self._open = [], [], [], [], []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in ("src", "href", "srcset", "data", "action")]
        if tag not in EMPTY:
            self._open.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)
        if "td" in self._open or "th" in self._open:
            self.tables[-1][-1][-1] += data
