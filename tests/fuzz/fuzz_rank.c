/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Hostile ranks: packets on the shepherd's socket. Input: any number of { connection u8, length
 * u16, packet }; the server has four local ranks of six and takes three connections. Whatever
 * gets through to the job is in bounds, and whatever is answered is a whole packet.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/shepherd/jobmap.h"
#include "daemon/shepherd/server.h"
#include "libdvm/base/buf.h"
#include "tests/fuzz/fuzz.h"

enum { SIZE = 6, LOCAL = 4, CONNS = 3 };

struct job {
	uv_loop_t loop;
	struct shep_jobmem mem;
	struct shep_server *server;
	int conn[CONNS];
	char path[64];
	bool here[LOCAL]; /* said hello and not lost */
};

/* ---- what may get through ---- */

static void on_hello(uint32_t local, uint32_t pid, void *arg)
{
	struct job *j = arg;

	FUZZ_CHECK(local < LOCAL && !j->here[local]);
	j->here[local] = true;
}

static void on_publish(uint32_t local, const uint8_t *addr, size_t len, void *arg)
{
	struct job *j = arg;

	FUZZ_CHECK(local < LOCAL && j->here[local]);
	FUZZ_CHECK(len >= 1 && len <= DVMI_RANK_ADDR_MAX);
}

static void on_lookup(uint32_t local, uint64_t job, uint32_t rank, void *arg)
{
	struct job *j = arg;
	struct dvmi_rank_peer answer = { .job = job, .rank = rank, .code = -EINVAL };

	FUZZ_CHECK(local < LOCAL && j->here[local]);
	FUZZ_CHECK(shep_server_send(j->server, local, DVMI_RANK_ADDR, &answer, sizeof answer) == 0);
}

static void on_goodbye(uint32_t local, void *arg)
{
	struct job *j = arg;

	FUZZ_CHECK(local < LOCAL && j->here[local]);
	shep_jobmap_mark(j->mem.map, local, DVMI_RANK_CLOSED);
	shep_server_tell_changed(j->server);
}

static void on_abort(uint32_t local, int code, const char *text, void *arg)
{
	FUZZ_CHECK(local < LOCAL && strlen(text) <= DVMI_RANK_TEXT_MAX);
	for (; *text; text++)
		FUZZ_CHECK((unsigned char)*text >= ' ');
}

static void on_ask(uint32_t local, uint16_t type, const uint8_t *body, size_t len, int fd, void *arg)
{
	struct job *j = arg;
	struct dvmi_rank_answer answer = { .code = -ENOTSUP };

	FUZZ_CHECK(local < LOCAL && j->here[local] && (uintptr_t)body % 8 == 0);
	FUZZ_CHECK(len >= sizeof(struct dvmi_rank_ask) && fd == -1);
	FUZZ_CHECK((type >= DVMI_RANK_LINK && type <= DVMI_RANK_HOST_DROP) ||
		   type == DVMI_RANK_UFFD || type == DVMI_RANK_ROOM);
	answer.id = body[0];
	FUZZ_CHECK(shep_server_send(j->server, local, DVMI_RANK_ANSWER, &answer, sizeof answer) == 0);
}

static void on_lost(uint32_t local, void *arg)
{
	struct job *j = arg;

	FUZZ_CHECK(local < LOCAL);
	j->here[local] = false;
}

static const struct shep_server_ops ops = {
	.hello = on_hello,
	.publish = on_publish,
	.lookup = on_lookup,
	.goodbye = on_goodbye,
	.abort = on_abort,
	.ask = on_ask,
	.lost = on_lost,
};

/* ---- a job ---- */

/* Ranks 0 … 3 here, 4 and 5 on another node. */
static void make_memory(struct job *j)
{
	static uint32_t ranks[2][LOCAL] = { { 0, 1, 2, 3 }, { 4, 5 } };
	static char text[] = "";
	Pb__Launch launch = PB__LAUNCH__INIT;
	Pb__Placement placement = PB__PLACEMENT__INIT;
	Pb__NodeShare share[2] = { PB__NODE_SHARE__INIT, PB__NODE_SHARE__INIT };
	Pb__NodeShare *shares[] = { &share[0], &share[1] };

	for (int i = 0; i < 2; i++) {
		share[i].name = share[i].address = text;
		share[i].ranks = ranks[i];
		share[i].n_ranks = i ? SIZE - LOCAL : LOCAL;
	}
	placement.ranks = SIZE;
	placement.nodes = shares;
	placement.n_nodes = 2;
	launch.placement = &placement;
	FUZZ_CHECK(shep_jobmem_create(&j->mem, &launch, 0, 1) == 0);
}

static int dial(const struct job *j)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	strcpy(a.sun_path, j->path);
	FUZZ_CHECK(fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof a) == 0);
	return fd;
}

static char *directory(void)
{
	static char dir[] = "/tmp/fuzz-rank-XXXXXX";

	return dir;
}

static void remove_directory(void)
{
	rmdir(directory());
}

static void begin(struct job *j)
{
	/* One for the whole run: to remove a directory costs more than all the rest. */
	if (strstr(directory(), "XXXXXX")) {
		FUZZ_CHECK(mkdtemp(directory()));
		atexit(remove_directory);
	}
	*j = (struct job){ 0 };
	snprintf(j->path, sizeof j->path, "%s/s", directory());
	FUZZ_CHECK(uv_loop_init(&j->loop) == 0);
	make_memory(j);
	const struct shep_server_config config = { .loop = &j->loop,
						   .path = j->path,
						   .uid = geteuid(),
						   .welcome = { .job = 1, .key = 2 },
						   .mem = &j->mem,
						   .ops = &ops,
						   .arg = j };
	FUZZ_CHECK(shep_server_create(&j->server, &config) == 0);
	for (int i = 0; i < CONNS; i++)
		j->conn[i] = dial(j);
}

static void end(struct job *j)
{
	for (int i = 0; i < CONNS; i++)
		close(j->conn[i]);
	uv_run(&j->loop, UV_RUN_NOWAIT);
	shep_server_destroy(j->server);
	uv_run(&j->loop, UV_RUN_DEFAULT);
	FUZZ_CHECK(uv_loop_close(&j->loop) == 0);
	shep_jobmem_destroy(&j->mem);
}

/* Answers are whole packets of known types. Descriptors that come along are not taken. */
static void read_answers(const struct job *j)
{
	uint8_t packet[2 * DVMI_RANK_PACKET_MAX];
	struct dvmi_rank_hdr hdr;

	for (int i = 0; i < CONNS; i++) {
		ssize_t n;
		while ((n = recv(j->conn[i], packet, sizeof packet, 0)) > 0) {
			FUZZ_CHECK((size_t)n >= sizeof hdr && n <= DVMI_RANK_PACKET_MAX);
			memcpy(&hdr, packet, sizeof hdr);
			FUZZ_CHECK(hdr.version == DVMI_RANK_VERSION);
			FUZZ_CHECK(hdr.len == (size_t)n - sizeof hdr);
			FUZZ_CHECK(hdr.type >= DVMI_RANK_WELCOME && hdr.type <= DVMI_RANK_ANSWER);
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dvmi_reader r;
	struct job j;

	begin(&j);
	dvmi_reader_init(&r, data, size);
	for (int packets = 0; packets < 200 && !r.err && r.p < r.end; packets++) {
		unsigned conn = dvmi_get_u8(&r) % CONNS;
		size_t len = dvmi_get_u16(&r), left = (size_t)(r.end - r.p);
		const uint8_t *p = dvmi_get_bytes(&r, len < left ? len : left);
		if (!r.err)
			send(j.conn[conn], p, len < left ? len : left, MSG_NOSIGNAL);
		uv_run(&j.loop, UV_RUN_NOWAIT);
		read_answers(&j);
	}
	end(&j);
	return 0;
}
