#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Pages of section 3: what the headers say goes into the page, so that there is one text of it.

	manual.py page PAGE      the page with its directives carried out, for rst2man
	manual.py names PAGE     the functions it is about
	manual.py links DIR      a page of one line (.so) in DIR for each function
	manual.py check          what is wrong: functions on no page or on two, and the like

Directives, each a line of its own:

	.. functions:: HEADER [PATTERN]...  what these functions do; all that no other page asks for by
	                                    pattern, where there is none
	.. synopsis::                       their prototypes
	.. about:: HEADER                   what the header says at its head
	.. failures:: HEADER                ... the paragraphs about that
	.. threads:: HEADER
	.. types:: HEADER [NAME]...         constants, structs, handles
	.. example:: FILE                   a program
	.. pages::                          all pages and what they are about
"""
import fnmatch
import glob
import os
import re
import sys

ROOT = os.environ.get("DVM_SRC") or os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
HEADERS = "libdvm/include"
PAGES = "doc/man/*.3.rst"
# Headers whose functions have no page yet, to be emptied; one that has a page must not be here.
MISSING = ()
SECTIONS = ("SYNOPSIS", "DESCRIPTION", "FUNCTIONS", "ERRORS", "THREADS", "EXAMPLE", "SEE ALSO")
TOPICS = ("Failures:", "Threads:")


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as f:
        return f.read()


def fail(text):
    sys.exit(f"manual.py: {text}")


# ---- headers ----


class Item:
    """A comment and what is declared below it without an empty line between."""

    def __init__(self, comment, code):
        self.comment, self.code = comment, code
        self.functions = re.findall(r"^DVM_PUBLIC [^(]*?[ *](dvm_\w+)\(", code, flags=re.M)

    def prototypes(self, wanted):
        """The declarations of the functions that are WANTED."""
        for m in re.finditer(r"^DVM_PUBLIC ([^;]*;)", self.code, flags=re.M):
            name = re.search(r"(dvm_\w+)\(", m.group(1)).group(1)
            if name in wanted:
                yield name, " ".join(m.group(1).split())


def text_of(comment):
    """A comment's words, without the stars; indentation beyond the first blank stays."""
    comment = re.sub(r"^/\*\s?|\s*\*/$", "", comment.strip())
    lines = [re.sub(r"^\s*\* ?", "", line).rstrip() for line in comment.split("\n")]
    return "\n".join(lines).strip("\n")


def as_comment(text):
    if not text:
        return ""
    if "\n" not in text:
        return f"/* {text} */\n"
    lines = "\n".join(" * " + line if line else " *" for line in text.split("\n"))
    return f"/*\n{lines}\n */\n"


class Header:
    """NAME is as in an #include."""

    def __init__(self, name):
        self.name = name
        text = read(f"{HEADERS}/{name}")
        text = re.sub(r"#ifdef __cplusplus\n.*?#endif\n", "", text, flags=re.S)
        comments = re.findall(r"/\*.*?\*/", text, flags=re.S)
        self.about = text_of(comments[1]) if len(comments) > 1 else ""
        body = text[text.index(comments[1]) + len(comments[1]):]
        self.items = [self.item(part) for block in self.blocks(body)
                      for part in re.split(r"^(?=/\*)", block, flags=re.M) if part.strip()]

    @staticmethod
    def blocks(body):
        """Separated by empty lines outside of braces and comments."""
        block, depth, inside = [], 0, False
        for line in body.split("\n"):
            inside = (inside or "/*" in line) and "*/" not in line
            code = re.sub(r"/\*.*?(\*/|$)", "", line) if "/*" in line or "*/" in line else line
            depth += 0 if inside else code.count("{") - code.count("}")
            if line.strip() or depth or inside:
                block.append(line)
            elif block:
                yield "\n".join(block)
                block = []
        if block:
            yield "\n".join(block)

    @staticmethod
    def item(block):
        m = re.match(r"\s*(/\*.*?\*/)\s*?(?:\n(.*)|$)", block, flags=re.S)
        if m and not m.group(2):
            return Item("" if re.match(r"/\* -+ ", m.group(1)) else text_of(m.group(1)), "")
        return Item(text_of(m.group(1)), m.group(2)) if m else Item("", block)

    @property
    def functions(self):
        return [f for item in self.items for f in item.functions]

    def paragraphs(self, topic=None):
        """Of the head: those about a topic, or all others. A topic ends with its paragraph."""
        words = re.split(r"\n\s*\n", self.about)[1:]
        for p in words:
            mine = next((t for t in TOPICS if p.startswith(t)), None)
            if mine == topic:
                p = p[len(topic or ""):].strip()
                yield p[0].upper() + p[1:] if topic else p

    def types(self, names):
        """Source of what is no function: of all, or what contains one of NAMES."""
        for item in self.items:
            code = item.code.strip()
            if item.functions or not re.search(r"^(typedef|enum|struct|#define)", code, flags=re.M):
                continue
            if re.match(r"#(ifndef|include|define DVM_\w+_H)", code) and "\n\n" not in code:
                if not re.search(r"^#define DVM_(?!\w+_H\b)|^(typedef|enum|struct)", code, flags=re.M):
                    continue
            if not names or any(re.search(rf"\b{n}\b", code) for n in names):
                yield as_comment(item.comment) + code


def headers():
    here = os.path.join(ROOT, HEADERS)
    return [os.path.relpath(p, here) for p in sorted(glob.glob(here + "/dvm/*.h"))]


# ---- pages ----


def directives(path):
    return re.findall(r"^\.\. (\w+)::[ \t]*(.*)$", read(path), flags=re.M)


def claims():
    """{header: patterns that some page asks for}."""
    out = {}
    for path in pages():
        for what, args in directives(path):
            if what == "functions":
                header, *patterns = args.split()
                out.setdefault(header, []).extend(patterns)
    return out


def pages():
    return [os.path.relpath(p, ROOT) for p in sorted(glob.glob(os.path.join(ROOT, PAGES)))]


def matches(name, patterns):
    return any(fnmatch.fnmatch(name, p) for p in patterns)


def chosen(header, patterns):
    """The functions that a directive means, in the header's order."""
    if patterns:
        return [f for f in header.functions if matches(f, patterns)]
    taken = claims().get(header.name, [])
    return [f for f in header.functions if not matches(f, taken)]


def names_of(path):
    out = []
    for what, args in directives(path):
        if what == "functions":
            name, *patterns = args.split()
            out += chosen(Header(name), patterns)
    return out


def title_first(path, names):
    title = os.path.basename(path).split(".")[0]
    return [title] + [n for n in names if n != title]


def page_of(header):
    """Where a header is described, as prose names it."""
    for path in pages():
        if ("functions", header) in directives(path):
            return f"**{os.path.basename(path).split('.')[0]}**\\ (3)"
    return header


# ---- from comments to reStructuredText ----


def escape(text):
    return re.sub(r"([\\*`_|])", r"\\\1", text)


def mark(text, params):
    """Names of functions bold, of parameters as they are declared and slanted."""
    text = escape(text)
    text = re.sub(r"\b(dvm(?:\\_\w+)+)\(\)", lambda m: "**" + m.group(1).replace("\\", "") + "**\\ ()",
                  text)

    text = re.sub(r"\bdvm/\w+\.h\b", lambda m: page_of(m.group(0)), text)

    def parameter(m):
        name = m.group(0).replace("\\", "")
        before, after = text[m.start() - 1:m.start()], text[m.end():m.end() + 1]
        if name.lower() not in params or before in ("-", "*") and before == "-":
            return m.group(0)
        return ("\\ " if before.isalnum() or before == "*" else "") + f"*{name.lower()}*" + (
            "\\ " if after and (after.isalnum() or after in "*[(") else "")

    return re.sub(r"(?<![A-Za-z_\\$])[A-Z][A-Z0-9]*(?:\\_[A-Z0-9]+)*(?![A-Za-z_\\]|\.\w)", parameter,
                  text)


def prose(text, params, indent=""):
    out = []
    for p in re.split(r"\n\s*\n", text):
        lines = p.split("\n")
        if all(re.match(r"\s{2,}|\t", line) for line in lines):
            out += [indent + "::", ""] + [indent + "    " + line for line in lines]
        else:
            out += [indent + mark(line, params) for line in lines]
        out.append("")
    return out


def parameters(item):
    """Names of the parameters of all functions that share a comment."""
    out = set()
    for _, prototype in item.prototypes(item.functions):
        for param in prototype[prototype.index("(") + 1:prototype.rindex(")")].split(","):
            m = re.search(r"(\w+)(\[\w*\])?$", param.strip())
            if m:
                out.add(m.group(1))
    return out


# ---- directives ----


def wrapped(prototype, width=76):
    """A prototype for a synopsis, broken behind commas."""
    head = prototype[:prototype.index("(") + 1]
    lines, line = [], head
    words = re.split(r"(?<=,) ", prototype[len(head):])
    for i, word in enumerate(words):
        if i and len(line) + len(word) + 1 > width:
            lines.append(line)
            line = " " * min(len(head), 24) + word
        else:
            line += (" " if i else "") + word
    return lines + [line]


def synopsis(path):
    lines, seen = [], []
    for what, args in directives(path):
        if what == "functions":
            name, *patterns = args.split()
            if name not in seen:
                seen.append(name)
                lines.append(f"#include <{name}>")
    lines.append("")
    for what, args in directives(path):
        if what != "functions":
            continue
        name, *patterns = args.split()
        header = Header(name)
        wanted = chosen(header, patterns)
        for item in header.items:
            for _, prototype in item.prototypes(wanted):
                lines += wrapped(prototype)
    return ["::", ""] + ["    " + line if line else "" for line in lines] + [""]


def functions(args):
    name, *patterns = args.split()
    header, out = Header(name), []
    wanted = chosen(header, patterns)
    if not wanted:
        fail(f"no function of {name} is left for: {args}")
    pending = []
    for item in header.items:
        mine = [f for f in item.functions if f in wanted]
        if out and item.comment and not item.code: # about several of them
            out += prose(item.comment, ())
        if not mine:
            continue
        pending += mine
        if not item.comment:
            fail(f"{name}: nothing is said about {' '.join(mine)}")
        out += [", ".join(f"**{f}**\\ ()" for f in pending)]
        out += prose(item.comment, parameters(item), "    ")
        pending = []
    return out


def head(args, topic=None):
    header = Header(args.strip())
    params = set().union(*map(parameters, header.items))
    out = [line for p in header.paragraphs(topic) for line in prose(p, params)]
    if topic and not out:
        fail(f"{header.name} says nothing under {topic}")
    return out


def types(args):
    name, *names = args.split()
    out = []
    for code in Header(name).types(names):
        out += ["    " + line.expandtabs(8) if line else "" for line in code.split("\n")]
        out.append("")
    if not out:
        fail(f"{name} has no such types: {args}")
    return ["::", ""] + out


def example(args):
    text = re.sub(r"\A/\* SPDX[^\n]*\n", "", read(args.strip()))
    return ["::", ""] + ["    " + line.expandtabs(8).rstrip() if line else ""
                         for line in text.rstrip().split("\n")] + [""]


def subtitle(path):
    """What a page says it is about."""
    return re.search(r"^---+\n(.*)\n---+$", read(path), flags=re.M).group(1)


def overview():
    """All pages and their functions."""
    out = []
    for path in pages():
        title = title_first(path, [])[0]
        out += [f"**{title}**\\ (3)", f"    {subtitle(path)}: "
                + ", ".join(f"**{n}**\\ ()" for n in names_of(path)), ""]
    return out


def page(path):
    acts = {"functions": functions, "about": head, "types": types, "example": example,
            "pages": lambda args: overview(), "synopsis": lambda args: synopsis(path),
            "failures": lambda args: head(args, "Failures:"),
            "threads": lambda args: head(args, "Threads:")}
    out = []
    for line in read(path).split("\n"):
        m = re.match(r"\.\. (\w+)::[ \t]*(.*)$", line)
        if m and m.group(1) not in acts:
            fail(f"{path}: no such directive: {line}")
        out += acts[m.group(1)](m.group(2)) if m else [line]
    return "\n".join(out)


def links(directory):
    for path in pages():
        title, *others = title_first(path, names_of(path))
        for name in others:
            with open(os.path.join(directory, name + ".3"), "w", encoding="ascii") as f:
                f.write(f".so man3/{title}.3\n")


# ---- the check ----


def findings():
    """What is wrong, a line each, the kind of fault in front."""
    where = {}
    for path in pages():
        for name in names_of(path):
            where.setdefault(name, []).append(path)
    public = {f: h for h in headers() for f in Header(h).functions}
    yield from (f"no page: {f} of {h}" for f, h in public.items()
                if f not in where and h not in MISSING)
    yield from (f"two pages: {n}: {' '.join(p)}" for n, p in where.items() if len(p) > 1)
    yield from (f"is not missing: {h}" for h in MISSING
                if h not in headers() or any(n in where for n in Header(h).functions))
    if not public:
        yield "no function was found in the headers"
    for path in pages():
        yield from (f"no section: {path}: {s}" for s in SECTIONS
                    if f"\n{s}\n{'=' * len(s)}\n" not in read(path))
        yield from (f"not run: {path}: {args}" for what, args in directives(path)
                    if what == "example"
                    and os.path.basename(args).removesuffix(".c") not in read("tests/examples/man.t"))


def main(args):
    match args:
        case ["page", path]:
            print(page(path))
        case ["names", path]:
            print(", ".join(title_first(path, names_of(path))))
        case ["links", directory]:
            links(directory)
        case ["check"]:
            print("\n".join(findings()))
        case _:
            sys.exit(__doc__)


main(sys.argv[1:])
