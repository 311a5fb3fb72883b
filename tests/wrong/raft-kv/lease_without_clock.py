# test: partition  a leader that has ever heard a majority answers reads by itself for two seconds
import pathlib, sys
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "solutions/raft-kv/python"))
raft_kv = __import__("raft-kv")


class Wrong(raft_kv.RaftKv):
    heard = -2000

    def advance_commit(self):
        before = self.commit
        super().advance_commit()
        if self.commit > before:
            self.heard = self.node.now()

    def read(self, msg):
        if self.node.now() - self.heard < 2000:
            self.node.reply(msg, self.store.execute(msg["body"]))
        else:
            self.propose(msg)


raft_kv.main(Wrong)
