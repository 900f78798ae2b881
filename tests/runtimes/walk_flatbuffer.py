"""Verifies the structure of a .tflite file: a walk over every table of it, with bounds and alignment of everything.

FlatBuffers' own Verifier exists in C++ only; this is the same walk along the tables of TFLite's schema."""
import struct

# Fields of a table by slot: a scalar's size, "string", ("vector", element), or the name of a table.
SCHEMA = {
    "Model": {0: 4, 1: ("vector", "OperatorCode"), 2: ("vector", "SubGraph"), 3: "string", 4: ("vector", "Buffer"),
              5: ("vector", 4), 6: ("vector", "Metadata"), 7: ("vector", "SignatureDef")},
    "OperatorCode": {0: 1, 1: "string", 2: 4, 3: 4},
    "SubGraph": {0: ("vector", "Tensor"), 1: ("vector", 4), 2: ("vector", 4), 3: ("vector", "Operator"), 4: "string"},
    "Tensor": {0: ("vector", 4), 1: 1, 2: 4, 3: "string", 4: "Quantization", 5: 1, 7: ("vector", 4), 8: 1},
    "Quantization": {0: ("vector", 4), 1: ("vector", 4), 2: ("vector", 4), 3: ("vector", 8), 6: 4},
    "Operator": {0: 4, 1: ("vector", 4), 2: ("vector", 4), 3: 1, 4: "Options", 5: ("vector", 1), 6: 1},
    "Buffer": {0: ("vector", 1)},
    "Metadata": {0: "string", 1: 4},
    "SignatureDef": {0: ("vector", "TensorMap"), 1: ("vector", "TensorMap"), 2: "string", 4: 4},
    "TensorMap": {0: "string", 1: 4},
}


class Walk:
    def __init__(self, data):
        self.data = data

    def read(self, kind, at):
        size = struct.calcsize(kind)
        if at < 0 or at + size > len(self.data) or at % size:
            raise ValueError(f"{size} bytes at {at} are outside of the file or not aligned")
        return struct.unpack_from("<" + kind, self.data, at)[0]

    def table(self, name, at):
        vtable = at - self.read("i", at)
        size, length = self.read("H", vtable), self.read("H", vtable + 2)
        if size < 4 or size % 2 or vtable + size > len(self.data) or at + length > len(self.data):
            raise ValueError(f"{name} at {at}: its vtable or table leaves the file")
        for slot in range((size - 4) // 2):
            offset = self.read("H", vtable + 4 + 2 * slot)
            if offset == 0:
                continue
            kind = SCHEMA.get(name, {}).get(slot)
            if offset >= length:
                raise ValueError(f"{name} at {at}: slot {slot} lies behind the table")
            if isinstance(kind, int):
                self.read({1: "b", 2: "h", 4: "i", 8: "q"}[kind], at + offset)
                if offset + kind > length:
                    raise ValueError(f"{name} at {at}: slot {slot} lies behind the table")
            elif kind is not None:
                self.value(name, kind, at + offset)
            elif name in SCHEMA:
                raise ValueError(f"{name} at {at}: slot {slot} is not one that stet writes")

    def value(self, owner, kind, at):
        target = at + self.read("I", at)
        if kind == "string":
            end = target + 4 + self.read("I", target)
            if self.read("b", end) != 0:
                raise ValueError(f"string at {target} does not end with 0")
            self.data[target + 4:end].decode("utf-8")
        elif isinstance(kind, tuple):
            count, element = self.read("I", target), kind[1]
            if isinstance(element, str):
                for i in range(count):
                    self.table_at(element, target + 4 + 4 * i)
                return
            if count and (target + 4 + count * element > len(self.data) or (target + 4) % element):
                raise ValueError(f"vector of {owner} at {target} leaves the file or is not aligned")
            if owner == "Buffer" and count and (target + 4) % 16:
                raise ValueError(f"buffer at {target} is not aligned to 16 bytes")
        else:
            self.table(kind, target)

    def table_at(self, name, at):
        self.table(name, at + self.read("I", at))


def verify(path):
    """Raises ValueError if the file is not a well-formed FlatBuffer of TFLite's schema."""
    with open(path, "rb") as file:
        data = file.read()
    if data[4:8] != b"TFL3":
        raise ValueError("the file does not have the identifier TFL3")
    Walk(data).table_at("Model", 0)
