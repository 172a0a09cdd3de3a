/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dvm-mpich.so: loaded into ranks of MPICH that talk over TCP by way of UCX.
 *
 * In MPI_Finalize such a rank first takes leave of all its peers and then waits in PMI's barrier,
 * reading from its launcher. A peer that takes leave later wants an answer, and a rank that reads
 * gives none: both wait for ever, under any launcher, in up to half of all short jobs (MPICH before
 * 4.2). So here the rank goes on answering while it waits for the launcher.
 *
 * Nothing happens before a rank takes leave, nor in programs without UCX. One thread: MPI_Finalize
 * is called by one, when no other is in MPI.
 */
#include <dlfcn.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

/* What we stand in for; the handles are UCX's own affair. */
int ucp_worker_create(void *context, const void *params, void **worker);
void ucp_worker_destroy(void *worker);
void *ucp_disconnect_nb(void *ep);

enum { WORKERS_MAX = 64, IDLE_MS = 1 };

static void *workers[WORKERS_MAX];
static int leaving;

/* The function that would have been called without us. */
#define NEXT(function) ((__typeof__(function) *)dlsym(RTLD_NEXT, #function))

static void replace(void *old, void *with)
{
	for (int i = 0; i < WORKERS_MAX; i++)
		if (workers[i] == old) {
			workers[i] = with;
			return;
		}
}

int ucp_worker_create(void *context, const void *params, void **worker)
{
	int rc = NEXT(ucp_worker_create)(context, params, worker);

	if (rc == 0)
		replace(NULL, *worker);
	return rc;
}

void ucp_worker_destroy(void *worker)
{
	replace(worker, NULL);
	NEXT(ucp_worker_destroy)(worker);
}

void *ucp_disconnect_nb(void *ep)
{
	leaving = 1;
	return NEXT(ucp_disconnect_nb)(ep);
}

/* The number of events that were dealt with. */
static unsigned answer_peers(unsigned (*progress)(void *worker))
{
	unsigned n = 0;

	for (int i = 0; i < WORKERS_MAX; i++)
		if (workers[i])
			n += progress(workers[i]);
	return n;
}

static int is_launcher(int fd)
{
	const char *text = getenv("PMI_FD");

	return text && atoi(text) == fd;
}

static void answer_until_readable(int fd)
{
	unsigned (*progress)(void *) = dlsym(RTLD_DEFAULT, "ucp_worker_progress");
	struct pollfd p = { .fd = fd, .events = POLLIN };

	while (progress && poll(&p, 1, answer_peers(progress) ? 0 : IDLE_MS) == 0)
		;
}

ssize_t read(int fd, void *buf, size_t n)
{
	static ssize_t (*next)(int, void *, size_t);

	if (!next)
		next = NEXT(read);
	if (leaving && is_launcher(fd))
		answer_until_readable(fd);
	return next(fd, buf, n);
}
