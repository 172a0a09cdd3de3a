# SPDX-License-Identifier: BSD-3-Clause
"""The public headers as data: constants, types, functions. What the bindings are made from.

It understands C as the installed headers are written, and nothing more: plain types, enums, structs,
opaque handles, callbacks, functions behind DVM_PUBLIC. Whatever else it meets is an error that names
the place, so a binding is complete or is not built.
"""
import re
import sys

NUMBERS = {"char", "int", "unsigned", "long", "float", "double", "bool", "size_t", "int8_t", "uint8_t",
           "int16_t", "uint16_t", "int32_t", "uint32_t", "int64_t", "uint64_t", "intptr_t",
           "uintptr_t", "ptrdiff_t", "ssize_t"}
IGNORED_MACROS = re.compile(r"DVM_PUBLIC$|DVM_[A-Z0-9_]*_H$")


class Type:
    """BASE with so many pointers on it; CONST says whether what is pointed to may be written."""

    def __init__(self, base, pointers=0, const=False, array=None):
        self.base, self.pointers, self.const, self.array = base, pointers, const, array


class Function:
    """Also a callback. PARAMS are (name, Type)."""

    def __init__(self, name, result, params):
        self.name, self.result, self.params = name, result, params


class Api:
    """All headers together, in the order in which they were read."""

    def __init__(self):
        self.constants = []  # (name, value)
        self.values = {}
        self.enums, self.aliases = set(), {}
        self.handles, self.structs, self.callbacks, self.functions = [], {}, {}, []
        self.tags = {}

    def resolve(self, base):
        return self.aliases.get(base, base)

    def is_number(self, base):
        return base in NUMBERS or base in self.enums


class Reader:
    """Reads one header into an Api."""

    def __init__(self, api, path):
        self.api, self.path = api, path

    def fail(self, text):
        words = " ".join(text.split())
        sys.exit(f"{self.path}: not understood, teach build-aux/capi.py: {words[:300]}")

    # ---- preprocessing ----

    def read(self):
        with open(self.path, encoding="utf-8") as f:
            text = f.read()
        text = re.sub(r"/\*.*?\*/", lambda m: " ", text, flags=re.S)
        text = re.sub(r"//[^\n]*", "", text).replace("\\\n", " ")
        text = re.sub(r"#ifdef __cplusplus\n.*?#endif", "", text, flags=re.S)
        plain = []
        for line in text.split("\n"):
            if line.lstrip().startswith("#"):
                self.directive(line.strip())
            else:
                plain.append(line)
        for statement in self.statements("\n".join(plain)):
            self.statement(statement)

    def directive(self, line):
        m = re.match(r"#\s*define\s+(\w+)(\(.*|\s.*|)$", line)
        if not m:
            if not re.match(r"#\s*(include|ifndef\s+DVM_\w+_H|endif|undef)", line):
                self.fail(line)
            return
        name, value = m.group(1), m.group(2).strip()
        if IGNORED_MACROS.match(name):
            return
        self.constant(name, value, line)

    def statements(self, text):
        """Split at semicolons that are outside of braces."""
        depth, start = 0, 0
        for i, c in enumerate(text):
            depth += (c == "{") - (c == "}")
            if c == ";" and depth == 0:
                yield text[start:i].strip()
                start = i + 1
        if text[start:].strip():
            self.fail(text[start:])

    # ---- constants ----

    def constant(self, name, text, where):
        try:
            self.add_constant(name, self.evaluate(text))
        except (SyntaxError, NameError, TypeError, ZeroDivisionError):
            self.fail(where)

    def evaluate(self, text):
        """A constant expression: numbers and what has been defined before, with C's operators."""
        text = re.sub(r"\b(0[xX][0-9a-fA-F]+|\d+)[uUlL]+\b", r"\1", text)
        text = re.sub(r"\b(U?INT(?:8|16|32|64)_C)\b", "", text)
        if not re.fullmatch(r"[\w\s()+\-*/|&^~<>]+", text):
            raise SyntaxError(text)
        return int(eval(text, {"__builtins__": {}}, dict(self.api.values)))  # pylint: disable=eval-used

    def add_constant(self, name, value):
        if name in self.api.values:
            self.fail(f"{name} is defined twice")
        self.api.values[name] = value
        self.api.constants.append((name, value))

    def enumerators(self, body):
        following = 0
        for part in body.split(","):
            if not part.strip():
                continue
            name, _, text = part.partition("=")
            if text:
                self.constant(name.strip(), text.strip(), part)
                following = self.api.values[name.strip()] + 1
            else:
                self.add_constant(name.strip(), following)
                following += 1

    # ---- declarations ----

    def statement(self, s):
        s = re.sub(r"__attribute__\s*\(\(.*?\)\)", " ", s)
        for pattern, act in (
                (r"(?:typedef\s+)?enum\s*\w*\s*\{(.*)\}\s*(\w*)$", self.enum),
                (r"(?:typedef\s+)?struct\s*(\w*)\s*\{(.*)\}\s*(\w*)$", self.struct),
                (r"typedef\s+struct\s+(\w+)\s+(\w+)$", self.handle),
                (r"struct\s+(\w+)$", lambda tag: None),
                (r"typedef\s+(.*?)\(\s*\*\s*(\w+)\s*\)\s*\((.*)\)$", self.callback),
                (r"typedef\s+(.*?)\b(\w+)\s*\((.*)\)$", self.callback),
                (r"typedef\s+(\w+)\s+(\w+)$", self.alias),
                (r"DVM_PUBLIC\s+(.*?)\b(\w+)\s*\((.*)\)$", self.function)):
            m = re.match(pattern, s, flags=re.S)
            if m:
                act(*m.groups())
                return
        self.fail(s)

    def enum(self, body, name):
        self.enumerators(body)
        if name:
            self.api.enums.add(name)

    def struct(self, tag, body, name):
        fields = [v for f in body.split(";") if f.strip() for v in self.variables(f)]
        if "{" in body or ":" in body:
            self.fail(body)
        name = name or self.api.tags.get(tag) or f"struct {tag}"
        self.api.tags[tag] = name
        self.api.structs[name] = fields
        if name in self.api.handles:
            self.api.handles.remove(name)

    def handle(self, tag, name):
        self.api.tags[tag] = name
        self.api.handles.append(name)

    def alias(self, what, name):
        if not self.api.is_number(what):
            self.fail(f"typedef {what} {name}")
        self.api.aliases[name] = what

    def callback(self, result, name, params):
        self.api.callbacks[name] = Function(name, self.type_of(result), self.parameters(params))

    def function(self, result, name, params):
        self.api.functions.append(Function(name, self.type_of(result), self.parameters(params)))

    def parameters(self, text):
        if text.strip() in ("", "void"):
            return []
        return [self.variable(p) for p in text.split(",")]

    def variables(self, text):
        """TYPE NAME, NAME...: of a plain type."""
        first, *others = text.split(",")
        name, t = self.variable(first)
        if others and (t.pointers or t.array is not None):
            self.fail(text)
        return [(name, t)] + [self.variable(f"{t.base} {other}") for other in others]

    def variable(self, text):
        """TYPE NAME or TYPE NAME[N]."""
        m = re.match(r"(.*?)(\w+)\s*(\[[^\]]*\])?$", text.strip(), flags=re.S)
        if not m or not m.group(1).strip() or "(" in text:
            self.fail(text)
        t = self.type_of(m.group(1))
        if m.group(3):
            size = m.group(3)[1:-1].strip()
            t.array = self.evaluate(size) if size else 0
        return m.group(2), t

    def type_of(self, text):
        words = re.findall(r"\w+|\*|\S", text)
        base = [w for w in words if w not in ("const", "*")]
        const = words[0] == "const" if words else False
        if base[:1] == ["struct"] and base[1:2] and base[1] in self.api.tags:
            base = [self.api.tags[base[1]]]
        if base in (["unsigned", "int"], ["unsigned"]):
            base = ["unsigned"]
        if len(base) != 1:
            self.fail(text)
        name = self.api.resolve(base[0])
        known = (self.api.is_number(name) or name == "void" or name in self.api.handles
                 or name in self.api.structs or name in self.api.callbacks)
        if not known:
            self.fail(f"{text} (no such type yet)")
        return Type(name, words.count("*"), const)


def includes(path):
    with open(path, encoding="utf-8") as f:
        return re.findall(r'#include "(dvm/[\w.]+)"', f.read())


def ordered(paths):
    """Headers behind those that they include."""
    by_name = {"dvm/" + p.rsplit("/", 1)[-1]: p for p in paths}
    out, seen = [], set()

    def visit(name):
        if name in seen:
            return
        seen.add(name)
        if name not in by_name:
            sys.exit(f"capi.py: {name} is included but not among the headers")
        for other in includes(by_name[name]):
            visit(other)
        out.append(by_name[name])

    for name in sorted(by_name):
        visit(name)
    return out


def read(paths):
    api = Api()
    for path in ordered(paths):
        Reader(api, path).read()
    if not api.functions:
        sys.exit("capi.py: no function found")
    return api


# Arrays that is_list() would not know.
LISTS = {("dvm_cart_get", "periodic")}


def is_list(function, index):
    """Whether a pointer parameter is that of an array: by its name, or the count behind it."""
    name, t = function.params[index]
    if (function.name, name) in LISTS:
        return True
    if t.array is not None or (t.base == "char" and t.pointers == 1):
        return True
    if re.search(r"[^us]s$", name):
        return True
    if name == "out" and any(p == "n" for p, _ in function.params[:index]):
        return True
    after = function.params[index + 1] if index + 1 < len(function.params) else None
    return bool(after and after[0] == "n" and after[1].base == "size_t")
