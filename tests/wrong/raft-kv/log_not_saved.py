# test: crash  term and vote are saved, the log is not
import pathlib, sys
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "solutions/raft-kv/python"))
raft_kv = __import__("raft-kv")


class Wrong(raft_kv.RaftKv):
    def save_log(self):
        pass


raft_kv.main(Wrong)
