"""Reads by ReadIndex (Ongaro's thesis, section 6.4): a majority confirms the leader, and nothing is written."""
import pathlib, sys
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "solutions/raft-kv/python"))
raft_kv = __import__("raft-kv")


class ReadIndex(raft_kv.RaftKv):
    def __init__(self, node):
        super().__init__(node)
        self.round, self.reads, self.heard = 0, [], {}
        node.on("confirm", self.from_peer(self.on_confirm))
        node.on("confirm_ok", self.from_peer(self.on_confirmed))

    def read(self, msg):
        if self.term_at(self.commit) != self.term:
            self.propose(msg)
            return
        self.round += 1
        self.reads.append((self.round, msg))
        self.heard[self.round] = {self.node.node_id}
        self.ask_all(self.round)

    def ask_all(self, round):
        for peer in self.peers:
            self.node.send(peer, {"type": "confirm", "term": self.term, "round": round})

    def on_confirm(self, src, body):
        if body["term"] == self.term:
            self.follow(src)
        self.node.send(src, {"type": "confirm_ok", "term": self.term, "round": body["round"]})

    def on_confirmed(self, src, body):
        heard = self.heard.get(body["round"])
        if self.role != "leader" or body["term"] != self.term or heard is None:
            return
        heard.add(src)
        if len(heard) < self.majority():
            return
        for round, msg in self.reads:
            if round <= body["round"]:
                self.node.reply(msg, self.store.execute(msg["body"]))
                del self.heard[round]
        self.reads = [r for r in self.reads if r[0] > body["round"]]

    def heartbeat(self):
        super().heartbeat()
        if self.reads:
            self.ask_all(self.reads[-1][0])

    def give_up_waiting(self):
        super().give_up_waiting()
        for _, msg in self.reads:
            self.node.reply_error(msg, 11, "not the leader any more")
        self.reads, self.heard = [], {}


if __name__ == "__main__":
    raft_kv.main(ReadIndex)
