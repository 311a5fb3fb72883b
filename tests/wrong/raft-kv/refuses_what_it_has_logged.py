# test: once  a leader that steps down answers error 11 for what is in its log
import pathlib, sys
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "solutions/raft-kv/python"))
raft_kv = __import__("raft-kv")


class Wrong(raft_kv.RaftKv):
    def give_up_waiting(self):
        for msg in self.waiting.values():
            self.node.reply_error(msg, 11, "not the leader any more")
        self.waiting = {}


raft_kv.main(Wrong)
