"""Time-outs of 300 to 600 ms, a heartbeat every 100 ms, and entries go out every 20 ms only."""
import pathlib, sys
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "solutions/raft-kv/python"))
raft_kv = __import__("raft-kv")

raft_kv.ELECTION_MS, raft_kv.HEARTBEAT_MS = (300, 600), 100


class Slow(raft_kv.RaftKv):
    collecting = False

    def append(self, op):
        self.log.append({"term": self.term, "op": op})
        self.save_log()
        if not self.collecting:
            self.collecting = True
            self.node.timer("send", 20, self.send_all)

    def send_all(self):
        self.collecting = False
        if self.role == "leader":
            for peer in self.peers:
                self.replicate(peer)
            self.advance_commit()


if __name__ == "__main__":
    raft_kv.main(Slow)
