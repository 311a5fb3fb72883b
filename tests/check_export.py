#!/usr/bin/env python3
"""Is an exported run what its format demands?   check_export.py FORMAT FILE [WORD...]

Each checker knows the rules of the format's readers, not how dlab writes it. Exit status 1 and a sentence when a rule is
broken. The words are demands on top of it; see the checkers.
"""
import html.parser
import json
import re
import sys
import xml.etree.ElementTree as ElementTree

HARMFUL = [(0, 0x1F), (0x7F, 0x9F), (0x61C, 0x61C), (0x180E, 0x180E), (0x200B, 0x200B), (0x200E, 0x200F), (0x2028, 0x202E),
           (0x2060, 0x206F), (0xFEFF, 0xFEFF), (0xFFF9, 0xFFFB), (0xE0000, 0xE0FFF)]


class Broken(Exception):
    pass


def need(condition, sentence):
    if not condition:
        raise Broken(sentence)


def read(path):
    """The text of the file, which must be UTF-8 without anything harmful."""
    with open(path, "rb") as file:
        text = file.read().decode("utf-8")
    for at, c in enumerate(text):
        need(c in "\n\t" or not any(lo <= ord(c) <= hi for lo, hi in HARMFUL), f"U+{ord(c):04X} at {at}: {text[max(0, at - 40):at]!r}")
    return text


KINDS = set("start ready exit send recv drop call reply arm timer state apply log bad lint pause resume kill fault sock note "
            "verdict".split())
EVENT_KEYS = {"seq": int, "t_ns": int, "kind": str, "src": str, "dst": str, "msg": int, "type": str, "why": str, "copy": bool,
              "arg": int, "cause": int, "body": object, "text": str}


def check_json(path, words):
    lines = read(path).split("\n")
    need(lines.pop() == "", "the last line has no newline")
    objects = [json.loads(line) for line in lines]
    head, events = objects[0], objects[1:]
    need(head["kind"] == "run" and head["format"] == 1 and head["nodes"], f"the first line is {head}")
    last, sends = (0, 0), {}
    for event in events:
        need(event["kind"] in KINDS, f"an unknown kind: {event}")
        for key, value in event.items():
            need(isinstance(value, EVENT_KEYS[key]), f"{key} is {value!r}")
        need(event["seq"] > last[0] and event["t_ns"] >= last[1], f"out of order: {event}")
        last = (event["seq"], event["t_ns"])
        if event["kind"] in ("send", "call", "reply"):
            sends.setdefault(event["msg"], event)
        if event["kind"] in ("recv", "drop") and "whole" in words:
            send = sends[event["msg"]]
            need((send["src"], send["dst"], send.get("type")) == (event["src"], event["dst"], event.get("type")),
                 f"{event} is not of {send}")
    if "whole" in words:
        need([event["seq"] for event in events] == list(range(1, head["events"] + 1)), "events are missing")
    return f"{len(events)} events"


def shiviz_edges(events):
    """ShiViz's rules for the clocks of one execution (js/model/modelGraph.js), and the edges that it would draw."""
    hosts = {}
    for host, clock, sentence in events:
        need(host in clock, f"the clock of {host} lacks {host}: {clock}")
        hosts.setdefault(host, []).append((clock, sentence))
    edges = 0
    for host, own in hosts.items():
        need([clock[host] for clock, _ in own] == list(range(1, len(own) + 1)), f"the clock of {host} does not go up by 1 from 1")
        known = {}
        for clock, sentence in own:
            new = set()
            for other, time in clock.items():
                need(other in hosts, f"{host}: a host without events, {other}: {sentence}")
                need(1 <= time <= len(hosts[other]), f"{host}: {other} has no event {time}: {sentence}")
                need(time >= known.get(other, 0), f"{host}: knowledge of {other} is lost: {sentence}")
                if other != host and time > known.get(other, 0):
                    # Who learns of an event knows all that was known there.
                    there = hosts[other][time - 1][0]
                    need(all(clock.get(h, 0) >= t for h, t in there.items()), f"{host}: less than {other} knew: {sentence}")
                    new.add((other, time))
                known[other] = time
            # An edge is left out when another of the event's edges implies it.
            edges += len([e for e in new if not any(hosts[o][t - 1][0].get(e[0]) == e[1] for o, t in new if o != e[0])])
    return edges


def check_shiviz(path, words):
    """Words: edges=N, events=N (of the log)."""
    first, second, log = read(path).split("\n", 2)
    need(second == "", f"the delimiter is {second!r}")
    named = re.compile(first.replace("(?<", "(?P<"))
    need({"event", "host", "clock"} <= set(named.groupindex), f"the regular expression lacks a group: {first}")
    matches = list(named.finditer(log.strip()))
    need(len(matches) * 2 == log.count("\n"), f"{len(matches)} events in {log.count(chr(10))} lines")
    events = [(m["host"], json.loads(m["clock"]), m["event"]) for m in matches]
    edges = shiviz_edges(events)
    for word in words:
        name, number = word.split("=")
        found = {"edges": edges, "events": len(events)}[name]
        need(found == int(number), f"{found} {name}, not {number}")
    return f"{len(events)} events, {edges} edges"


MERMAID = {
    "participant": re.compile(r"    participant ([a-z0-9-]+)"),
    "note": re.compile(r"    Note over ([a-z0-9-]+)(?:,([a-z0-9-]+))?: (.+)"),
    "message": re.compile(r"    ([a-z0-9-]+?)(->>|-->>|--x|-\))([a-z0-9-]+): (.*)"),
}
PLAIN = re.compile(r"(?:[ .,=_\-/():\[\]*+?!0-9A-Za-z]|[^\x00-\x7f]|#[0-9]+;)*")


def check_mermaid(path, words):
    """Words: message=N, note=N, lost=N."""
    lines = read(path).split("\n")
    need(lines.pop() == "", "the last line has no newline")
    found = dict.fromkeys(("participant", "note", "message", "lost"), 0)
    names = set()
    while lines[0].startswith("%% "):
        need("%%{" not in lines.pop(0), "a directive")
    need(lines.pop(0) == "sequenceDiagram", "it does not begin with sequenceDiagram")
    for line in lines:
        kind, match = next(((kind, m) for kind, pattern in MERMAID.items() if (m := pattern.fullmatch(line))), (None, None))
        need(kind, f"no line of a sequence diagram: {line!r}")
        found[kind] += 1
        if kind == "participant":
            names.add(match[1])
            continue
        ends = match.groups()[:2] if kind == "note" else (match[1], match[3])
        need(all(end in names for end in ends if end), f"nobody's name: {line!r}")
        text = match.groups()[-1]
        need(PLAIN.fullmatch(text), f"a sign of Mermaid stands in a text: {text!r}")
        need(not re.search(r"\bend\b", re.sub("#[0-9]+;", "#", text), re.I), f"the word end: {text!r}")
        found["lost"] += kind == "message" and match[2] == "--x"
    for word in words:
        name, number = word.split("=")
        need(found[name] == int(number), f"{found[name]} {name}, not {number}")
    return str(found)


SVG_TAGS = set("svg title desc style defs pattern line rect text path circle".split())
SVG_KEYS = set("class role aria-labelledby width height viewBox id x y x1 y1 x2 y2 cx cy r d patternUnits patternTransform textLength lengthAdjust".split())


def svg_elements(root):
    """Every element and attribute is one of a short list: nothing can run, and nothing comes from elsewhere."""
    for element in root.iter():
        tag = element.tag.removeprefix("{http://www.w3.org/2000/svg}")
        need(tag in SVG_TAGS, f"an element {element.tag}")
        for key, value in element.attrib.items():
            need(key in SVG_KEYS, f"an attribute {key}={value!r}")
        if tag == "style":
            need("url(" not in element.text.replace("url(#stripes)", "") and "@import" not in element.text, "a resource from elsewhere")
        else:
            yield tag, element.get("class", ""), element


def check_svg(path, words):
    """Words: CLASS=N, so many elements of these classes ("sent.lost" has both), without the legend's."""
    text = read(path)
    need("<!" not in text and "<?" not in text, "a declaration")
    root = ElementTree.fromstring(text)
    elements = list(svg_elements(root))
    need(root[0].tag.endswith("title") and root[0].text and root[1].tag.endswith("desc"), "no title and description")
    width, height = int(root.get("width")), int(root.get("height"))
    legend = min((float(e.get("y")) for _, c, e in elements if c == "legend"), default=height + 20) - 20
    found = {}
    for tag, names, element in elements:
        places = [float(element.get(k)) for k in ("y", "y1", "cy") if element.get(k)]
        places += [float(n) for n in re.findall(r"M[-0-9.]+ ([-0-9.]+)", element.get("d", ""))]
        need(all(0 <= place <= height for place in places), f"below the picture: {element.attrib}")
        need(all(0 <= float(element.get(k)) <= width for k in ("x", "x1", "x2", "cx") if element.get(k)), f"beside it: {element.attrib}")
        if not places or places[0] < legend:
            key = ".".join(names.split())
            found[key] = found.get(key, 0) + 1
    for word in words:
        name, number = word.split("=")
        need(found.get(name, 0) == int(number), f"{found.get(name, 0)} {name}, not {number}")
    return str(found)


HTML_TAGS = set("html head meta title style body h1 h2 p span code dl dt dd figure pre br table tr th td details summary".split()) | SVG_TAGS
HTML_KEYS = {key.lower() for key in SVG_KEYS} | {"lang", "charset", "http-equiv", "content", "name", "xmlns", "open"}
POLICY = "default-src 'none'; style-src 'unsafe-inline'"


class Page(html.parser.HTMLParser):
    """Demands that every tag is known and closed, and keeps the text by the element that holds it."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.open, self.texts, self.policy = [], {}, None

    def handle_starttag(self, tag, attrs):
        need(tag in HTML_TAGS, f"an element <{tag}>")
        for key, value in attrs:
            need(key in HTML_KEYS, f"an attribute {key}={value!r}")
            need(not re.search(r"url\(|javascript|//", (value or "").replace("http://www.w3.org/2000/svg", "")), f"{key}={value!r}")
        if dict(attrs).get("http-equiv") == "Content-Security-Policy":
            self.policy = dict(attrs)["content"]
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag):
        need(self.open and self.open.pop() == tag, f"</{tag}> closes nothing")

    def handle_data(self, data):
        holder = self.open[-1] if self.open else ""
        need(holder or not data.strip(), f"text outside: {data!r}")
        self.texts.setdefault(holder, []).append(data)

    def handle_comment(self, data):
        raise Broken(f"a comment {data!r}")

    def unknown_decl(self, data):
        raise Broken(f"a declaration {data!r}")

    def handle_pi(self, data):
        raise Broken(f"an instruction {data!r}")


def check_html(path, words):
    """Words: ELEMENT=TEXT, an element of that name holds the text."""
    text = read(path)
    page = Page()
    page.feed(text)
    page.close()
    need(text.startswith("<!DOCTYPE html>\n") and page.policy == POLICY, "no policy")
    need(not page.open, f"not closed: {page.open}")
    for style in page.texts["style"]:
        need("url(" not in style.replace("url(#stripes)", "") and "@import" not in style and "<" not in style, "a resource")
    need(len(text.encode()) < 2000000, "it is too long")
    for word in words:
        tag, wanted = word.split("=", 1)
        need(any(wanted in data for data in page.texts.get(tag, [])), f"no <{tag}> holds {wanted!r}")
    return text


def check_run(path, words):
    text = check_html(path, words)
    svg = text[text.index("<svg"):text.index("</svg>") + 6]
    list(svg_elements(ElementTree.fromstring(svg)))
    return f"{len(text)} characters"


def check_grading(path, words):
    return f"{len(check_html(path, words))} characters"


CHECKERS = {"json": check_json, "shiviz": check_shiviz, "mermaid": check_mermaid, "svg": check_svg, "html": check_run, "grading": check_grading}


def main():
    try:
        print(CHECKERS[sys.argv[1]](sys.argv[2], sys.argv[3:]))
    except (Broken, ValueError, KeyError, ElementTree.ParseError) as wrong:
        print(f"{sys.argv[2]}: {type(wrong).__name__}: {wrong}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
