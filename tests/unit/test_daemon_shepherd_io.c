/* SPDX-License-Identifier: BSD-3-Clause */
/* What goes in and out of the real dvm-shepherd, also when its daemon dies (shep_rig.h). */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/cgroup.h"
#include "daemon/spool.h"
#include "daemon/sweep.h"
#include "libdvm/base/clock.h"
#include "tests/unit/cm.h"
#include "tests/unit/shep_rig.h"

#define MS(n) ((n)*DVMI_MSEC)

/* ---- output ---- */

static size_t line_length(unsigned rank, unsigned i)
{
	return i % 97 == 13 ? 70000 + rank * 1000 : (i * 31 + rank * 7) % 200;
}

static void check_lines(struct rig *r, uint32_t ranks, unsigned count)
{
	for (uint32_t rank = 0; rank < ranks; rank++) {
		const char *p = rig_text(r, rank, 1);
		for (unsigned i = 0; i < count; i++) {
			char head[32];
			size_t n = (size_t)snprintf(head, sizeof head, "%u %u ", rank, i);
			assert_memory_equal(p, head, n);
			size_t len = strspn(p + n, (char[]){ (char)('a' + rank % 26), 0 });
			assert_int_equal(len, line_length(rank, i));
			assert_int_equal(p[n + len], '\n');
			p += n + len + 1;
		}
		assert_int_equal(*p, 0);
	}
}

static void long_lines_of_many_ranks_arrive_whole(void **state)
{
	struct rig *r = *state;

	rig_init_payload(r, 1, 8, "lines", "1000");
	rig_start_all(r, NULL);
	rig_run(r, "the end", rig_over, NULL);
	check_lines(r, 8, 1000);
	rig_finish(r);
}

static bool got_three(struct rig *r, void *arg)
{
	return r->nodes[0].got >= 3;
}

static void output_survives_a_restart_of_the_daemon(void **state)
{
	struct rig *r = *state;

	rig_init_payload(r, 1, 4, "lines", "2000");
	r->nodes[0].hold_acks = true;
	rig_start_all(r, NULL);
	for (int i = 0; i < 3; i++) {
		rig_run(r, "some output", got_three, NULL);
		rig_daemon_dies(r, 0);
		rig_daemon_returns(r, 0);
		uint64_t hellos = (uint64_t)i + 2;
		rig_run(r, "a new hello", rig_has_hellos, &hellos);
	}
	r->nodes[0].hold_acks = false;
	rig_run(r, "the end", rig_over, NULL);
	check_lines(r, 4, 2000);
	assert_true(r->nodes[0].resent > 0);
	assert_int_equal(r->nodes[0].hellos, 4);
	rig_finish(r);
}

static bool window_is_full(struct rig *r, void *arg)
{
	return r->nodes[0].unacked > (1u << 20) - (256u << 10);
}

static bool never(struct rig *r, void *arg)
{
	return dvmi_clock_mono() > *(uint64_t *)arg;
}

static void a_client_that_does_not_read_holds_ranks_back(void **state)
{
	struct rig *r = *state;
	uint64_t later;

	rig_init_payload(r, 1, 2, "lines", "4000");
	r->nodes[0].hold_acks = true;
	rig_start_all(r, NULL);
	rig_run(r, "a full window", window_is_full, NULL);
	later = dvmi_clock_mono() + MS(300);
	rig_run(r, "a while", never, &later);
	assert_true(r->nodes[0].unacked < (1u << 20) + (512u << 10));
	assert_false(rig_over(r, NULL));
	r->nodes[0].hold_acks = false;
	rig_ack(r, 0);
	rig_run(r, "the end", rig_over, NULL);
	check_lines(r, 2, 4000);
	rig_finish(r);
}

static void a_job_can_be_ended_although_nobody_reads(void **state)
{
	struct rig *r = *state;

	rig_init_sh(r, 1, 2, "exec yes");
	r->nodes[0].hold_acks = true;
	rig_start_all(r, NULL);
	rig_run(r, "a full window", window_is_full, NULL);
	rig_signal(r, SIGTERM, true, 15 * DVMI_SEC);
	rig_run(r, "the end", rig_over, NULL);
	rig_finish(r);
}

static void a_release_waits_for_the_last_output(void **state)
{
	struct rig *r = *state;

	rig_init_payload(r, 1, 2, "lines", "500");
	r->nodes[0].hold_acks = true;
	rig_start_all(r, NULL);
	rig_run(r, "the end", rig_over, NULL);
	rig_release(r);
	rig_daemon_dies(r, 0);
	rig_daemon_returns(r, 0);
	rig_run(r, "a new hello", rig_has_hellos, &(uint64_t){ 2 });
	assert_int_not_equal(r->nodes[0].pid, 0);
	r->nodes[0].hold_acks = false;
	rig_release(r);
	rig_run(r, "the shepherd's end", rig_exited, NULL);
	check_lines(r, 2, 500);
}

static void an_unfinished_line_is_shown(void **state)
{
	struct rig *r = *state;

	rig_init_sh(r, 1, 1, "printf 'name? '; read x; echo \"hello $x\"");
	rig_start_all(r, NULL);
	rig_wait_said(r, 0, "name? ");
	rig_stdin(r, 0, 1, "world\n", false);
	rig_wait_said(r, 0, "hello world\n");
	rig_finish(r);
}

static void a_detached_job_writes_its_spool_only(void **state)
{
	struct rig *r = *state;
	struct dvmd_spool_reader *reader;
	Pb__Chunk *chunk;
	char path[128];
	size_t bytes = 0;

	rig_init_sh(r, 1, 1, "cat; yes | head -c 3000000");
	r->launch->spec->detached = true;
	rig_start_all(r, NULL);
	rig_run(r, "the end", rig_over, NULL);
	assert_int_equal(r->nodes[0].got, 0);
	assert_int_equal(r->nodes[0].status->output_seq, 0);
	assert_int_equal(dvmd_spool_reader_open(&reader, AT_FDCWD,
						rig_job_file(r, 0, "output", path), geteuid(),
						NULL),
			 0);
	while (dvmd_spool_reader_next(reader, &chunk) == 1) {
		bytes += chunk->data.len;
		dvmi_pb_free(chunk);
	}
	dvmd_spool_reader_close(reader);
	assert_int_equal(bytes, 3000000);
	rig_finish(r);
}

static void listen_to(struct rig *r, bool listen)
{
	Pb__OutputAck ack = PB__OUTPUT_ACK__INIT;

	ack.job = RIG_JOB;
	ack.node = r->nodes[0].id;
	ack.forget = true;
	ack.again = listen;
	rig_send(r, 0, DVMI_MSG_OUTPUT_ACK, &ack);
}

static bool has_begun(struct rig *r, void *arg)
{
	return r->nodes[0].begins >= *(uint64_t *)arg;
}

static void a_detached_job_is_listened_to(void **state)
{
	struct rig *r = *state;

	rig_init_sh(r, 1, 1,
		    "echo before; for f in a b c; do until [ -e $f ]; do sleep 0.01; done; "
		    "echo $f; done");
	rig_work_here(r);
	r->launch->spec->detached = true;
	rig_start_all(r, NULL);
	rig_run(r, "running", rig_running, NULL);
	listen_to(r, true);
	rig_run(r, "the first beginning", has_begun, &(uint64_t){ 1 });
	rig_make_file(r, "a", "", 0644);
	rig_wait_said(r, 0, "a\n");
	r->nodes[0].hold_acks = true;
	rig_daemon_dies(r, 0);
	rig_make_file(r, "b", "", 0644);
	rig_daemon_returns(r, 0);
	rig_wait_said(r, 0, "a\nb\n"); /* kept over a restart */
	listen_to(r, false);
	listen_to(r, true); /* another one, who has nothing to do with what the first one missed */
	rig_run(r, "the second beginning", has_begun, &(uint64_t){ 2 });
	r->nodes[0].hold_acks = false;
	rig_make_file(r, "c", "", 0644);
	rig_run(r, "the end", rig_over, NULL);
	rig_wait_said(r, 0, "a\nb\nc\n");
	assert_int_equal(r->nodes[0].status->output_seq, r->nodes[0].got);
	rig_finish(r);
}

static void who_leaves_a_detached_job_does_not_hold_it_up(void **state)
{
	struct rig *r = *state;

	rig_init_sh(r, 1, 1, "until [ -e go ]; do sleep 0.01; done; yes | head -c 9000000");
	rig_work_here(r);
	r->launch->spec->detached = true;
	r->nodes[0].hold_acks = true;
	rig_start_all(r, NULL);
	rig_run(r, "running", rig_running, NULL);
	listen_to(r, true);
	rig_make_file(r, "go", "", 0644);
	rig_run(r, "a full window", window_is_full, NULL);
	listen_to(r, false);
	rig_run(r, "the end", rig_over, NULL);
	assert_int_equal(r->nodes[0].begins, 1);
	assert_int_equal(r->nodes[0].status->output_seq, 0);
	rig_finish(r);
}

static void who_does_not_read_misses_output_of_a_detached_job(void **state)
{
	struct rig *r = *state;

	rig_init_sh(r, 1, 1,
		    "until [ -e go ]; do sleep 0.01; done; yes | head -c 9000000; "
		    "until [ -e end ]; do sleep 0.01; done; echo end");
	rig_work_here(r);
	r->launch->spec->detached = true;
	r->nodes[0].hold_acks = true;
	rig_start_all(r, NULL);
	rig_run(r, "running", rig_running, NULL);
	listen_to(r, true);
	rig_make_file(r, "go", "", 0644);
	rig_run(r, "a second beginning", has_begun, &(uint64_t){ 2 });
	dvmi_buf_free(&r->out[0][0]);
	r->nodes[0].hold_acks = false;
	rig_ack(r, 0);
	rig_make_file(r, "end", "", 0644);
	rig_run(r, "the end", rig_over, NULL);
	const char *said = rig_text(r, 0, 1);
	assert_string_equal(said + strlen(said) - 4, "end\n");
	assert_true(strlen(said) < 9000000 - (1u << 20));
	rig_finish(r);
}

/* ---- input ---- */

static bool stdin_acked(struct rig *r, void *arg)
{
	return r->nodes[0].stdin_acked >= *(uint64_t *)arg;
}

static void input_goes_to_rank_0_in_order(void **state)
{
	struct rig *r = *state;

	rig_init_sh(r, 1, 2, "cat; echo end");
	rig_start_all(r, NULL);
	rig_run(r, "running", rig_running, NULL);
	rig_stdin(r, 0, 1, "one\n", false);
	rig_stdin(r, 0, 1, "one\n", false);   /* again */
	rig_stdin(r, 0, 3, "three\n", false); /* too early */
	rig_stdin(r, 0, 2, "two\n", false);
	rig_wait_said(r, 0, "one\ntwo\n");
	rig_daemon_dies(r, 0);
	rig_daemon_returns(r, 0);
	rig_run(r, "a new hello", rig_has_hellos, &(uint64_t){ 2 });
	rig_stdin(r, 0, 3, "three\n", true);
	rig_run(r, "the end", rig_over, NULL);
	assert_string_equal(rig_text(r, 0, 1), "one\ntwo\nthree\nend\n");
	assert_string_equal(rig_text(r, 1, 1), "end\n");
	assert_int_equal(r->nodes[0].stdin_acked, 3);
	rig_finish(r);
}

static void input_goes_to_all(void **state)
{
	struct rig *r = *state;
	uint64_t two = 2;

	rig_init_sh(r, 1, 3, "if [ $DVM_RANK = 1 ]; then exit 0; fi; cat");
	r->launch->spec->stdin_to = PB__STDIN_TO__STDIN_ALL;
	rig_start_all(r, NULL);
	rig_run(r, "running", rig_running, NULL);
	rig_stdin(r, 0, 1, "for all\n", false);
	rig_stdin(r, 0, 2, "", true);
	rig_run(r, "the acknowledgement", stdin_acked, &two);
	rig_run(r, "the end", rig_over, NULL);
	assert_string_equal(rig_text(r, 0, 1), "for all\n");
	assert_string_equal(rig_text(r, 2, 1), "for all\n");
	rig_finish(r);
}

static void who_does_not_read_holds_the_client_back(void **state)
{
	struct rig *r = *state;
	char *big = malloc(200001);
	uint64_t later, one = 1;

	memset(big, 'x', 200000);
	big[200000] = 0;
	rig_init_sh(
		r, 1, 1,
		"trap : USR1; echo ready; while :; do sleep 0.01; [ -e go ] && break; done; wc -c");
	rig_work_here(r);
	rig_start_all(r, NULL);
	rig_wait_said(r, 0, "ready\n");
	rig_stdin(r, 0, 1, big, true);
	free(big);
	later = dvmi_clock_mono() + MS(200);
	rig_run(r, "a while", never, &later);
	assert_int_equal(r->nodes[0].stdin_acked, 0);
	rig_make_file(r, "go", "", 0644);
	rig_run(r, "the acknowledgement", stdin_acked, &one);
	rig_wait_said(r, 0, "200000\n");
	rig_finish(r);
}

/* ---- daemons that die ---- */

static bool status_file_says_done(struct rig *r, void *arg)
{
	char path[128];
	uint8_t bytes[4096];
	Pb__JobStatus *st;
	int fd = open(rig_job_file(r, 0, "status", path), O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, bytes, sizeof bytes) : -1;

	if (fd >= 0)
		close(fd);
	if (n < 0)
		return false;
	assert_int_equal(dvmi_pb_unpack(&pb__job_status__descriptor, bytes, (size_t)n, &st), 0);
	bool done = st->phase == PB__SHARE_PHASE__SHARE_DONE;
	if (done && arg)
		*(int *)arg = st->ranks[0]->status;
	dvmi_pb_free(st);
	return done;
}

static void without_a_daemon_the_job_ends_and_leaves_its_status(void **state)
{
	const char *const options[] = { "--orphan-ms", "300", NULL };
	struct rig *r = *state;
	int status = 0;

	rig_init_sh(r, 1, 2, "echo ready; exec sleep 1000");
	rig_start_all(r, options);
	rig_wait_said(r, 0, "ready\n");
	rig_wait_said(r, 1, "ready\n");
	rig_daemon_dies(r, 0);
	rig_run(r, "the shepherd's end", rig_exited, NULL);
	assert_int_equal(r->nodes[0].wait, 0);
	assert_true(status_file_says_done(r, &status));
	assert_int_equal(status, 128 + SIGTERM);
	assert_int_equal(rig_survivors(r), 0);
}

static void a_job_that_ends_without_a_daemon_is_reported_later(void **state)
{
	struct rig *r = *state;

	rig_init_sh(r, 1, 1, "echo one; while ! [ -e go ]; do sleep 0.01; done; echo two; exit 3");
	rig_work_here(r);
	rig_start_all(r, NULL);
	rig_wait_said(r, 0, "one\n");
	rig_daemon_dies(r, 0);
	rig_make_file(r, "go", "", 0644);
	rig_run(r, "the status file", status_file_says_done, NULL);
	rig_daemon_returns(r, 0);
	rig_run(r, "the end", rig_over, NULL);
	assert_int_equal(rig_rank(r, 0)->status, 3);
	assert_string_equal(rig_text(r, 0, 1), "one\ntwo\n");
	rig_finish(r);
}

static void what_happens_during_the_greeting_is_reported(void **state)
{
	struct rig *r = *state;

	rig_init_sh(r, 1, 1, "while ! [ -e go ]; do sleep 0.01; done; echo said; exit 3");
	rig_work_here(r);
	r->hold_hello = true;
	rig_start_all(r, NULL);
	rig_run(r, "a hello", rig_has_hellos, &(uint64_t){ 1 });
	rig_make_file(r, "go", "", 0644);
	rig_run(r, "the status file", status_file_says_done, NULL);
	rig_answer(r, 0);
	rig_run(r, "the end", rig_over, NULL);
	assert_int_equal(rig_rank(r, 0)->status, 3);
	assert_string_equal(rig_text(r, 0, 1), "said\n");
	rig_finish(r);
}

static void a_job_that_is_never_released_ends_by_itself(void **state)
{
	const char *const options[] = { "--linger-ms", "100", NULL };
	struct rig *r = *state;

	rig_init_sh(r, 1, 1, "exit 4");
	rig_start_all(r, options);
	rig_run(r, "the end", rig_over, NULL);
	rig_run(r, "the shepherd's end", rig_exited, NULL);
	assert_int_equal(r->nodes[0].wait, 0);
	assert_true(status_file_says_done(r, NULL));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
	const struct CMUnitTest tests[] = {
		T(long_lines_of_many_ranks_arrive_whole),
		T(output_survives_a_restart_of_the_daemon),
		T(a_client_that_does_not_read_holds_ranks_back),
		T(a_job_can_be_ended_although_nobody_reads),
		T(a_release_waits_for_the_last_output),
		T(an_unfinished_line_is_shown),
		T(a_detached_job_writes_its_spool_only),
		T(a_detached_job_is_listened_to),
		T(who_leaves_a_detached_job_does_not_hold_it_up),
		T(who_does_not_read_misses_output_of_a_detached_job),
		T(input_goes_to_rank_0_in_order),
		T(input_goes_to_all),
		T(who_does_not_read_holds_the_client_back),
		T(without_a_daemon_the_job_ends_and_leaves_its_status),
		T(a_job_that_ends_without_a_daemon_is_reported_later),
		T(what_happens_during_the_greeting_is_reported),
		T(a_job_that_is_never_released_ends_by_itself),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
