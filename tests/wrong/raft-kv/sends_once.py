# test: lossy  an entry goes to each follower once; what gets lost stays lost
import pathlib, sys
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "solutions/raft-kv/python"))
raft_kv = __import__("raft-kv")


class Wrong(raft_kv.RaftKv):
    def on_appended(self, src, body):
        if body["success"]:
            super().on_appended(src, body)


raft_kv.main(Wrong)
