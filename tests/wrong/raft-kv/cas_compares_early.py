# test: five  compares when the request comes, and the log holds a plain write
import pathlib, sys
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "solutions/raft-kv/python"))
raft_kv = __import__("raft-kv")


class Wrong(raft_kv.RaftKv):
    def command(self, msg):
        op = super().command(msg)
        return {**op, "type": "write", "value": op["to"]} if op["type"] == "cas" else op

    def propose(self, msg):
        body = msg["body"]
        if body["type"] == "cas" and self.store.map.get(body["key"]) != body["from"]:
            self.node.reply(msg, self.store.execute(body))
        else:
            super().propose(msg)

    def apply(self, index):
        msg = self.waiting.get(index)
        if msg and msg["body"]["type"] == "cas":
            del self.waiting[index]
            self.node.reply(msg, {"type": "cas_ok"})
        super().apply(index)


raft_kv.main(Wrong)
