# test: snap-install-lossy  takes over a snapshot that is older than what it has applied
import pathlib, sys
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "solutions/raft/python"))
import raft


class Wrong(raft.Raft):
    def is_news(self, index):
        return True


raft.main(Wrong)
