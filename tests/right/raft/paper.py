"""Figure 2 and no more: no pre-vote, no lease, no entry without a command; a leader that hears nobody stays one."""
import pathlib, sys
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "solutions/raft/python"))
import raft


class Paper(raft.Raft):
    def on_election_timeout(self):
        self.reset_election_timer()
        if self.role != "leader" and self.may_campaign():
            self.leader = None
            self.become_candidate()

    def has_lost_majority(self):
        return False

    def first_entry(self):
        for peer in self.receivers():
            self.send(peer)


if __name__ == "__main__":
    raft.main(Paper)
