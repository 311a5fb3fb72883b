# test: basic  a follower answers error 20, as if it knew
import pathlib, sys
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "solutions/raft-kv/python"))
raft_kv = __import__("raft-kv")


class Wrong(raft_kv.RaftKv):
    def refuse(self, msg):
        self.node.reply_error(msg, 20, "not here")


raft_kv.main(Wrong)
