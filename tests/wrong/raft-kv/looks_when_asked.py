# test: once  looks for a repeated request only when it comes, in the memory of this leader
import pathlib, sys
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "solutions/raft-kv/python"))
raft_kv = __import__("raft-kv")


class Wrong(raft_kv.RaftKv):
    def __init__(self, node):
        super().__init__(node)
        self.answered = {}

    def command(self, msg):
        return {k: v for k, v in super().command(msg).items() if k not in ("session", "seq")}

    def propose(self, msg):
        body = msg["body"]
        known = self.answered.get((body.get("session"), body.get("seq")))
        if known:
            self.node.reply(msg, known)
        else:
            super().propose(msg)

    def apply(self, index):
        msg = self.waiting.get(index)
        if msg:
            reply, pair = self.node.reply, (msg["body"].get("session"), msg["body"].get("seq"))
            self.node.reply = lambda m, body: (self.answered.update({pair: body}), reply(m, body))
            super().apply(index)
            self.node.reply = reply
        else:
            super().apply(index)


raft_kv.main(Wrong)
