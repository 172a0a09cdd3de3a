/* SPDX-License-Identifier: BSD-3-Clause */
/* PMI-1 over a socket pair per rank. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/shepherd/jobmap.h"
#include "daemon/shepherd/mpi_private.h"
#include "daemon/spec.h"
#include "dvm/error.h"
#include "libdvm/base/cleanup.h"

enum { MAPPING_MAX = 1024 }; /* what a value may have */

static void on_closed(uv_handle_t *h)
{
	struct shep_pmi1_conn *conn = h->data;

	shep_mpi_handle_closed(conn->m);
}

static void let_go(struct shep_pmi1_conn *conn)
{
	if (!conn->open)
		return;
	conn->open = false;
	uv_close((uv_handle_t *)&conn->pipe, on_closed);
}

/* ---- what ranks are told ---- */

struct line {
	uv_write_t req;
	char text[];
};

static void on_written(uv_write_t *req, int status)
{
	free(req->data);
}

static void reply(uint32_t local, const char *text, size_t len, void *arg)
{
	struct shep_mpi *m = arg;
	struct shep_pmi1_conn *conn = &m->conns[local];
	struct line *l = conn->open ? malloc(sizeof *l + len) : NULL;

	if (!l)
		return;
	memcpy(l->text, text, len);
	l->req.data = l;
	uv_buf_t buf = uv_buf_init(l->text, (unsigned)len);
	if (uv_write(&l->req, (uv_stream_t *)&conn->pipe, &buf, 1, on_written) < 0)
		free(l);
}

static void barrier(const uint8_t *data, size_t len, void *arg)
{
	struct shep_mpi *m = arg;
	int rc = shep_mpi_enter(m, SHEP_MPI_KEY_PMI1, NULL, 0, data, len);

	if (rc < 0)
		shep_pmi1_exchanged(m->pmi1, rc, NULL, 0);
}

static void on_abort(uint32_t local, int code, const char *text, void *arg)
{
	struct shep_mpi *m = arg;

	m->c.abort(local, code, text, m->c.arg);
}

static uint32_t program_of(uint32_t local, void *arg)
{
	struct shep_mpi *m = arg;

	return (uint32_t)dvmd_spec_program_of(m->c.launch->spec, shep_mpi_share(m)->ranks[local]);
}

/* ---- what ranks ask of the machine ---- */

static void on_named(struct shep_mpi *m, struct shep_mpi_asked *q, const struct shep_mpi_said *said)
{
	char port[1024] = "";

	if (said->code == 0)
		snprintf(port, sizeof port, "%.*s", (int)said->len, (const char *)said->bytes);
	shep_pmi1_named(m->pmi1, q->local, q->type, said->code, port);
}

static void ask_name(uint32_t local, enum shep_pmi1_name what, const char *service,
		     const char *port, void *arg)
{
	static const Pb__PmixName__Kind kinds[] = {
		[SHEP_PMI1_PUBLISH] = PB__PMIX_NAME__KIND__PUBLISH,
		[SHEP_PMI1_LOOKUP] = PB__PMIX_NAME__KIND__LOOKUP,
		[SHEP_PMI1_UNPUBLISH] = PB__PMIX_NAME__KIND__UNPUBLISH,
	};
	struct shep_mpi *m = arg;
	Pb__PmixName msg = PB__PMIX_NAME__INIT;

	msg.kind = kinds[what];
	msg.rank = shep_mpi_share(m)->ranks[local];
	msg.service = (char *)(uintptr_t)service;
	if (port)
		msg.value = (ProtobufCBinaryData){ .len = strlen(port),
						   .data = (uint8_t *)(uintptr_t)port };
	shep_mpi_name(
		m, &msg, "pmi:",
		&(struct shep_mpi_asked){ .then = on_named, .local = local, .type = (uint16_t)what });
}

static void on_spawned(struct shep_mpi *m, struct shep_mpi_asked *q,
		       const struct shep_mpi_said *said)
{
	shep_mpi_note_spawn(m, said);
	shep_pmi1_spawned(m->pmi1, q->local, said->code);
}

static void ask_spawn(uint32_t local, const Pb__PmixSpawn *msg, void *arg)
{
	struct shep_mpi *m = arg;
	Pb__PmixSpawn own = *msg;

	own.rank = shep_mpi_share(m)->ranks[local];
	shep_mpi_spawn(m, &own, &(struct shep_mpi_asked){ .then = on_spawned, .local = local });
}

/* ---- what ranks say ---- */

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *buf)
{
	struct shep_pmi1_conn *conn = h->data;

	*buf = uv_buf_init(conn->buf, sizeof conn->buf);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct shep_pmi1_conn *conn = stream->data;

	if (n > 0 && shep_pmi1_input(conn->m->pmi1, conn->local, buf->base, (size_t)n) == 0)
		return;
	if (n > 0)
		dvmi_log(conn->m->c.log, "mpi", LOG_WARNING,
			 "rank %u does not speak PMI-1 as we know it",
			 shep_mpi_share(conn->m)->ranks[conn->local]);
	if (n != 0)
		let_go(conn);
}

/* ---- making ---- */

static int open_conn(struct shep_mpi *m, uint32_t local)
{
	struct shep_pmi1_conn *conn = &m->conns[local];
	int fds[2];

	conn->m = m;
	conn->local = local;
	conn->child_fd = -1;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	uv_pipe_init(m->c.loop, &conn->pipe, 0);
	conn->pipe.data = conn;
	conn->open = true;
	m->handles++;
	conn->child_fd = fds[1];
	int rc = uv_pipe_open(&conn->pipe, fds[0]);
	if (rc < 0) {
		close(fds[0]);
		return rc;
	}
	return uv_read_start((uv_stream_t *)&conn->pipe, on_alloc, on_read);
}

/* "" where the map is too irregular to be said; ranks then compare the names of their hosts. */
static void describe_map(const struct shep_mpi *m, char mapping[MAPPING_MAX])
{
	uint32_t size = m->c.launch->placement->ranks;
	cleanup_free uint32_t *node_of = calloc(size, sizeof *node_of);

	mapping[0] = 0;
	for (uint32_t i = 0; node_of && i < size; i++)
		node_of[i] = (uint32_t)shep_jobmap_node_of(m->c.map, i);
	if (node_of && shep_pmi1_mapping(mapping, MAPPING_MAX, node_of, size) < 0)
		mapping[0] = 0;
}

static int set_env(struct shep_mpi *m)
{
	int rc = shep_environ_add(m->c.environ, "PMI_SIZE=%u", m->c.launch->placement->ranks);

	if (rc == 0)
		rc = shep_environ_add_own(m->c.environ, "PMI_RANK", SHEP_OWN_RANK);
	if (rc == 0)
		rc = shep_environ_add_own(m->c.environ, "PMI_FD", SHEP_OWN_FD);
	if (rc == 0)
		rc = shep_environ_add_own(m->c.environ, "MPI_LOCALRANKID", SHEP_OWN_LOCAL_RANK);
	if (rc == 0 && m->c.launch->spec->n_pmi_pairs)
		rc = shep_environ_add(m->c.environ, "PMI_SPAWNED=1");
	if (rc == 0)
		rc = shep_environ_add(m->c.environ, "MPI_LOCALNRANKS=%u", m->n);
	if (rc == 0)
		rc = shep_mpi_prefer_device(m);
	return rc < 0 ? rc : shep_mpi_prefer_lingering(m);
}

int shep_mpi_pmi1_create(struct shep_mpi *m)
{
	char mapping[MAPPING_MAX];

	describe_map(m, mapping);
	const struct shep_pmi1_config c = {
		.local = m->n,
		.size = m->c.launch->placement->ranks,
		.job = m->c.launch->job,
		.mapping = mapping[0] ? mapping : NULL,
		.reply = reply,
		.barrier = barrier,
		.universe = m->c.launch->universe,
		.abort = on_abort,
		.program = program_of,
		.name = ask_name,
		.spawn = ask_spawn,
		.arg = m,
	};
	m->conns = calloc(m->n, sizeof *m->conns);
	int rc = m->conns ? shep_pmi1_create(&m->pmi1, &c) : -ENOMEM;
	for (size_t i = 0; rc == 0 && i < m->c.launch->spec->n_pmi_pairs; i++)
		rc = shep_pmi1_preput(m->pmi1, m->c.launch->spec->pmi_pairs[i]);
	for (uint32_t i = 0; rc == 0 && i < m->n; i++)
		rc = open_conn(m, i);
	return rc < 0 ? rc : set_env(m);
}

void shep_mpi_pmi1_destroy(struct shep_mpi *m)
{
	for (uint32_t i = 0; m->conns && i < m->n; i++) {
		if (m->conns[i].m && m->conns[i].child_fd >= 0)
			close(m->conns[i].child_fd);
		let_go(&m->conns[i]);
	}
	shep_pmi1_destroy(m->pmi1);
	m->pmi1 = NULL;
}

int shep_mpi_rank_fd(struct shep_mpi *m, uint32_t local)
{
	if (!m || !m->conns)
		return -1;
	int fd = m->conns[local].child_fd;
	m->conns[local].child_fd = -1;
	return fd;
}
