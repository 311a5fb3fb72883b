/* raft_tests.h - the plays of lab raft, by part; the table is in labs/raft.c. */
#ifndef DLAB_RAFT_TESTS_H
#define DLAB_RAFT_TESTS_H

#include "raft_steer.h"

/* raft_elect.c */
void raft_play_elect_one(struct play *);
void raft_play_elect_again(struct play *);
void raft_play_elect_many(struct play *);
void raft_play_elect_no_quorum(struct play *);
void raft_play_elect_undisturbed(struct play *);
void raft_play_elect_stale_leader(struct play *);

/* raft_log.c */
void raft_play_log_agree(struct play *);
void raft_play_log_follower(struct play *);
void raft_play_log_leader(struct play *);
void raft_play_log_rejoin_follower(struct play *);
void raft_play_log_behind(struct play *);
void raft_play_log_no_quorum(struct play *);
void raft_play_log_concurrent(struct play *);
void raft_play_log_late(struct play *);
void raft_play_log_rejoin(struct play *);
void raft_play_log_backup(struct play *);

/* raft_cost.c */
void raft_play_log_messages(struct play *);
void raft_play_log_bytes(struct play *);
void raft_play_snap_bounded(struct play *);

/* raft_persist.c */
void raft_play_persist_all(struct play *);
void raft_play_persist_one_by_one(struct play *);
void raft_play_persist_partitioned(struct play *);
void raft_play_persist_vote(struct play *);
void raft_play_persist_figure_8(struct play *);
void raft_play_persist_figure_8_random(struct play *);
void raft_play_persist_lossy(struct play *);
void raft_play_persist_churn(struct play *);
void raft_play_persist_churn_lossy(struct play *);

/* raft_snap.c */
void raft_play_snap_install(struct play *);
void raft_play_snap_install_lossy(struct play *);
void raft_play_snap_install_crash(struct play *);
void raft_play_snap_install_lossy_crash(struct play *);
void raft_play_snap_restart(struct play *);
void raft_play_snap_restart_follower(struct play *);

/* raft_members.c */
void raft_play_member_add(struct play *);
void raft_play_member_remove(struct play *);
void raft_play_member_remove_leader(struct play *);
void raft_play_member_one_at_a_time(struct play *);

/* raft.c */
void raft_play_garbage(struct play *);

#endif
