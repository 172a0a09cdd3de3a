/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/shepherd/status.h"
#include "libdvm/base/cleanup.h"

static void hide_ends(Pb__RankStatus *ranks, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		ranks[i].exited = ranks[i].signalled = false;
		ranks[i].status = 0;
		ranks[i].order = 0;
	}
}

int shep_status_report(struct shep_status *s, const struct shep_ranks *ranks,
		       void (*fn)(const Pb__JobStatus *st, void *arg), void *arg)
{
	cleanup_free Pb__RankStatus *rs = calloc(ranks->n + 1, sizeof *rs);
	cleanup_free Pb__RankStatus **list = calloc(ranks->n + 1, sizeof *list);
	Pb__JobStatus st = PB__JOB_STATUS__INIT;

	if (!rs || !list)
		return -ENOMEM;
	shep_ranks_report(ranks, rs, list);
	if (s->phase == PB__SHARE_PHASE__SHARE_STARTING)
		hide_ends(rs, ranks->n);
	st.job = s->job;
	st.node = s->node;
	st.serial = ++s->serial;
	st.phase = s->phase;
	st.code = s->code;
	st.text = s->text;
	st.abort_code = s->abort_code;
	st.abort_text = s->abort_text;
	st.output_seq = s->output_seq;
	st.ran_ns = s->ran_ns;
	st.ranks = list;
	st.n_ranks = ranks->n;
	st.notes = s->notes;
	st.n_notes = s->n_notes;
	fn(&st, arg);
	return 0;
}

void shep_status_note(struct shep_status *s, const char *text)
{
	for (size_t i = 0; i < s->n_notes; i++)
		if (!strcmp(s->notes[i], text))
			return;
	char *copy = s->n_notes < SHEP_NOTES_MAX ? strdup(text) : NULL;
	if (copy)
		s->notes[s->n_notes++] = copy;
}

static int write_all(int fd, const uint8_t *p, size_t n)
{
	while (n > 0) {
		ssize_t w = write(fd, p, n);
		if (w < 0 && errno != EINTR)
			return -errno;
		if (w > 0) {
			p += w;
			n -= (size_t)w;
		}
	}
	return 0;
}

int shep_status_write(int dir, const Pb__JobStatus *st)
{
	struct dvmi_buf b = { 0 };

	dvmi_pb_pack(&b, st);
	cleanup_fd int fd = openat(dir, "status.new",
				   O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	int rc = b.err ? b.err : fd < 0 ? -errno : write_all(fd, b.data, b.len);
	dvmi_buf_free(&b);
	if (rc == 0 && renameat(dir, "status.new", dir, "status") < 0)
		rc = -errno;
	return rc;
}

void shep_status_free(struct shep_status *s)
{
	for (size_t i = 0; i < s->n_notes; i++)
		free(s->notes[i]);
	s->n_notes = 0;
}
