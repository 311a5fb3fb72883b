"""Reports nothing, names no leader, and leaves without an answer what it cannot know."""
import pathlib, sys
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "solutions/raft-kv/python"))
raft_kv = __import__("raft-kv")


class Silent(raft_kv.RaftKv):
    def report(self):
        pass

    def refuse(self, msg):
        self.node.reply_error(msg, 11, "ask another node")

    def give_up_waiting(self):
        self.waiting = {}


if __name__ == "__main__":
    raft_kv.main(Silent)
