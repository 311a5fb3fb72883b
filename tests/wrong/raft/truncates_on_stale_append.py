# test: log-late  drops all that comes after the entries of a message, also of an old one
import pathlib, sys
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "solutions/raft/python"))
import raft


class Wrong(raft.Raft):
    def truncate_and_append(self, prev_index, entries):
        first = max(prev_index, self.snapshot["index"]) + 1
        self.drop_from(first)
        self.add(entries[first - prev_index - 1:])
        self.save_log(first)

    def replicate(self, peer):
        self.followers[peer].awaited = 0   # sends at once, so that messages overtake one another
        super().replicate(peer)


raft.main(Wrong)
