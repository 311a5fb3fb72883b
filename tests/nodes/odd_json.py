#!/usr/bin/env python3
"""Runs a solution whose answers to clients are right, and written as no SDK writes them: numbers as 10.0 (but for the ids
of messages, which go back as they came), escapes in keys, keys in another order, blanks, keys that nobody asked for, CRLF.

odd_json.py solutions/echo/python/echo.py
"""
import json
import os
import runpy
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../core/sdk/python"))
import dlab

send = dlab.Node.send


def escaped(text):
    return '"' + "".join("\\u%04x" % ord(c) for c in text) + '"'


def odd(value, key=""):
    if isinstance(value, dict):
        return "{ " + " ,\t".join(escaped(k) + " : " + odd(v, k) for k, v in reversed(value.items())) + " }"
    if isinstance(value, list):
        return "[ " + " , ".join(odd(v) for v in value) + " ]"
    if type(value) is int and key not in ("msg_id", "in_reply_to"):
        return "%d.0" % value
    return json.dumps(value)


def send_oddly(node, dest, body):
    if dest.startswith("c") or (dest == "dlab" and body["type"] == "state"):
        node._write(odd({"dest": dest, "body": dict(body, extra=[None, {}]), "src": node.node_id}) + "\r\n")
    else:
        send(node, dest, body)


dlab.Node.send = send_oddly
runpy.run_path(sys.argv[1], run_name="__main__")
