/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "daemon/shepherd/jobmap.h"
#include "daemon/shepherd/jobmem.h"
#include "libdvm/base/cleanup.h"

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

/*
 * No rank may write to the map, nor change its size under the others. Ranks run as the same user
 * and could open the file again for writing, so a read-only descriptor is not enough; our own
 * mapping, made before the seal, stays writable.
 */
static int seal(int fd)
{
	const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

	if (fcntl(fd, F_ADD_SEALS, seals | F_SEAL_FUTURE_WRITE) == 0 ||
	    fcntl(fd, F_ADD_SEALS, seals) == 0)
		return 0;
	return -errno;
}

static int reopen_read_only(int fd)
{
	char path[40];

	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	int ro = open(path, O_RDONLY | O_CLOEXEC);
	return ro < 0 ? -errno : ro;
}

/* Our mapping of a new file of so many bytes; the file, or -E…. */
static int make_file(struct shep_jobmem *m, size_t bytes)
{
	cleanup_fd int fd = memfd_create("dvm-jobmap", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	m->bytes = bytes;
	if (fd < 0 || ftruncate(fd, (off_t)m->bytes) < 0)
		return -errno;
	void *p = mmap(NULL, m->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return -errno;
	m->map = p;
	return take_fd(fd);
}

/* The map is filled: what ranks get of it. */
static int share(struct shep_jobmem *m, int fd)
{
	int rc = seal(fd);

	if (rc == 0)
		rc = m->map_fd = reopen_read_only(fd);
	return rc < 0 ? rc : 0;
}

static int make_map(struct shep_jobmem *m, const Pb__Launch *launch, size_t self, uint32_t cores)
{
	const Pb__Placement *p = launch->placement;
	cleanup_fd int fd =
		make_file(m, shep_jobmap_bytes(p->ranks, (uint32_t)p->nodes[self]->n_ranks,
					       (uint32_t)p->n_nodes));

	if (fd < 0)
		return fd;
	int rc = shep_jobmap_build(m->map, launch, self, cores);
	return rc < 0 ? rc : share(m, fd);
}

int shep_jobmem_create_linked(struct shep_jobmem *m, uint64_t job, const Pb__Placement *p,
			      uint32_t node_id, const struct dvmi_jobmap *own)
{
	*m = (struct shep_jobmem){ .map_fd = -1, .rings_fd = -1 };
	cleanup_fd int fd = make_file(m, shep_jobmap_bytes(p->ranks, 0, (uint32_t)p->n_nodes));

	if (fd < 0)
		return fd;
	int rc = shep_jobmap_build_linked(m->map, job, p, node_id, own);
	if (rc == 0)
		rc = share(m, fd);
	if (rc < 0)
		shep_jobmem_destroy(m);
	return rc;
}

int shep_jobmem_create(struct shep_jobmem *m, const Pb__Launch *launch, size_t self,
		       uint32_t local_cores)
{
	*m = (struct shep_jobmem){ .map_fd = -1, .rings_fd = -1 };
	int rc = make_map(m, launch, self, local_cores);
	if (rc == 0) {
		m->rings_fd = memfd_create("dvm-rings", MFD_CLOEXEC);
		rc = m->rings_fd < 0 ? -errno : 0;
	}
	if (rc < 0)
		shep_jobmem_destroy(m);
	return rc;
}

void shep_jobmem_destroy(struct shep_jobmem *m)
{
	if (m->map)
		munmap(m->map, m->bytes);
	if (m->map_fd >= 0)
		close(m->map_fd);
	if (m->rings_fd >= 0)
		close(m->rings_fd);
	*m = (struct shep_jobmem){ .map_fd = -1, .rings_fd = -1 };
}
