"""A toy format: fortunes, texts between lines of a percent sign."""

from textmill.components.ingester.readers import ReaderRow
from textmill.components.ingester.readers.reader import Reader
from textmill.components.ingester.readers.records import Record

ROW = ReaderRow(reader="toy_reader:FortuneReader", endings=(".fortune",))


class FortuneReader(Reader):
    """Reads a document from every fortune."""

    def read(self, part):
        """Yields the fortunes of a file."""
        with self.open(part) as stream:
            for number, raw in enumerate(stream.read(1 << 20).split(b"\n%\n")):
                yield Record(number, raw, {"text": raw.decode().strip()})
