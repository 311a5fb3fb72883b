"""A follower hands requests to the leader and passes the answer on. What it cannot know is error 0, also when the leader refused: a
copy of the request may still be under way."""
import pathlib, sys
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "solutions/raft-kv/python"))
raft_kv = __import__("raft-kv")


class Forwards(raft_kv.RaftKv):
    def __init__(self, node):
        super().__init__(node)
        node.on("forwarded", self.on_forwarded)

    def refuse(self, msg):
        if not self.leader or msg["src"] in self.peers:
            super().refuse(msg)
            return

        def answered(answer):
            body = {k: v for k, v in answer["body"].items() if k not in ("in_reply_to", "leader")}
            if body.get("code") in (0, 11):
                self.node.reply_error(msg, 0, "nobody knows")
            else:
                self.node.reply(msg, body)
        self.node.rpc(self.leader, {"type": "forwarded", "request": msg["body"]}, answered, 900)

    def on_forwarded(self, msg):
        if msg["src"] in self.peers:
            self.on_request(dict(msg, body=dict(msg["body"]["request"], msg_id=msg["body"]["msg_id"])))


if __name__ == "__main__":
    raft_kv.main(Forwards)
