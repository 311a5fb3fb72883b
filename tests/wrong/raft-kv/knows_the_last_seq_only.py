# test: once  only the very last seq is known again; an older request that comes late is carried out
import pathlib, sys
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "solutions/raft-kv/python"))
raft_kv = __import__("raft-kv")


class Forgetful(raft_kv.Store):
    def apply(self, op):
        session, seq = op.get("session"), op.get("seq")
        if self.sessions.get(session, [None])[0] != seq:
            self.sessions[session] = [seq, self.execute(op)]
        return self.sessions[session][1]


class Wrong(raft_kv.RaftKv):
    def __init__(self, node):
        super().__init__(node)
        self.store = Forgetful()

    def on_init(self, msg):
        super().on_init(msg)
        self.store = Forgetful(self.snapshot["store"])


raft_kv.main(Wrong)
