/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "daemon/cli/conn.h"
#include "daemon/cli/relay.h"
#include "daemon/cli/show.h"
#include "daemon/cli/turn.h"
#include "libdvm/base/clock.h"

#define SOON_NS	  20000000L  /* between two questions, at first */
#define LATER_NS  200000000L /* and then */
#define SAY_AFTER (300 * DVMI_MSEC)

static volatile sig_atomic_t ended_by;

static void on_signal(int sig)
{
	ended_by = sig;
}

static const int caught[] = { SIGINT, SIGTERM, SIGHUP };
#define N_CAUGHT (sizeof caught / sizeof *caught)

/* What is ignored (nohup, a background shell) stays so, as while the job runs. */
static void catch_signals(struct sigaction old[N_CAUGHT])
{
	struct sigaction sa = { .sa_handler = on_signal };

	for (size_t i = 0; i < N_CAUGHT; i++) {
		sigaction(caught[i], NULL, &old[i]);
		if (old[i].sa_handler != SIG_IGN)
			sigaction(caught[i], &sa, NULL);
	}
}

static void restore_signals(const struct sigaction old[N_CAUGHT])
{
	for (size_t i = 0; i < N_CAUGHT; i++)
		sigaction(caught[i], &old[i], NULL);
}

static void give_up(struct cli *c, uint64_t ticket)
{
	Pb__JobSignal sig = PB__JOB_SIGNAL__INIT;
	dvm_error_t err;

	sig.job = ticket;
	sig.signal = ended_by;
	sig.end = true;
	sig.reason = (char *)"cancelled";
	if (ticket)
		cli_ask(c, DVMI_MSG_SIGNAL, &sig, NULL, NULL, &err);
	cli_relay_die(ended_by);
}

/* Once for each reason, and not at all where it takes but a moment. */
static void say(struct cli *c, const Pb__TurnReply *r, uint64_t since, char *said, size_t size)
{
	char text[CLI_TIME_MAX];
	uint64_t wall = dvmi_clock_wall();

	if (dvmi_clock_mono() - since < SAY_AFTER || !*r->why || r->ready || !strcmp(said, r->reason))
		return;
	snprintf(said, size, "%s", r->reason);
	if (r->expected > wall)
		cli_say(c, "waiting: %s (expected in %s)", r->reason,
			cli_time_span(r->expected - wall, text));
	else
		cli_say(c, "waiting: %s", r->reason);
}

int cli_turn_wait(struct cli *c, const Pb__JobSpec *spec, bool quiet, uint64_t *ticket)
{
	Pb__TurnRequest req = PB__TURN_REQUEST__INIT;
	Pb__JobSpec lean = *spec;
	struct sigaction old[N_CAUGHT];
	uint64_t since = dvmi_clock_mono();
	char said[DVM_ERROR_TEXT_MAX] = "";
	dvm_error_t err;
	int rc = 0;
	bool ready = false;

	lean.n_env = 0;
	catch_signals(old);
	for (unsigned n = 0; rc == 0 && !ready && !ended_by; n++) {
		cleanup_pb Pb__TurnReply *r = NULL;
		req.ticket = *ticket;
		req.spec = *ticket ? NULL : &lean;
		if (n)
			nanosleep(&(struct timespec){ .tv_nsec = n < 10 ? SOON_NS : LATER_NS }, NULL);
		rc = cli_ask(c, DVMI_MSG_TURN, &req, &pb__turn_reply__descriptor, &r, &err);
		if (rc < 0)
			break;
		*ticket = r->ticket;
		ready = r->ready;
		if (!quiet)
			say(c, r, since, said, sizeof said);
	}
	if (ended_by)
		give_up(c, *ticket);
	restore_signals(old);
	return rc < 0 ? cli_fail(c, &err) : 0;
}
