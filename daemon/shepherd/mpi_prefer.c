/* SPDX-License-Identifier: BSD-3-Clause */
/* What ranks are told beside who they are: defaults of MPI libraries that suit where they run. */
#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "daemon/paths.h"
#include "daemon/shepherd/mpi_private.h"
#include "daemon/shepherd/mpikind.h"
#include "libdvm/base/cleanup.h"

enum { INTERFACE_MAX = 64 };

#define SLACK_PER_RANK 50000ul	 /* ns; that is what any process has */
#define SLACK_MAX      2000000ul /* ns */

/* A preference that the user has not stated. */
static int prefer(struct shep_mpi *m, const char *name, const char *value)
{
	return shep_environ_default(m->c.environ, name, value);
}

static bool has_rdma(void)
{
	return access("/sys/class/infiniband", F_OK) == 0 || access("/sys/class/cxi", F_OK) == 0;
}

/*
 * Open MPI looks for a transport by loading all there are; one of libfabric's libraries sleeps 200
 * ms on that occasion. Where there is no card that could need it, its own two are named.
 */
static int prefer_transports(struct shep_mpi *m)
{
	if (has_rdma() || shep_environ_get(m->c.environ, "OMPI_MCA_mtl"))
		return 0;
	int rc = prefer(m, "OMPI_MCA_pml", "ob1");
	/* Also on one node: shared memory is for ranks of one job, and it may spawn another. */
	if (rc == 0)
		rc = prefer(m, "OMPI_MCA_btl", "self,vader,tcp");
	/*
	 * Debian rules out both that can have windows over TCP. Only one of them is right: with
	 * UCX below windows alone, sums of doubles are wrong. (To name those that are wanted would
	 * end a job where one of them is not installed.)
	 */
	return rc < 0 ? rc : prefer(m, "OMPI_MCA_osc", "^ucx");
}

/*
 * Where Open MPI keeps its segments: it names them by host and local rank, so nodes on one host must
 * not share a directory; and this one goes with the job.
 */
static int prefer_directory(struct shep_mpi *m)
{
	struct statvfs st;
	uint64_t need = (uint64_t)m->n * (16u << 20);

	if (statvfs(m->c.dir, &st) < 0 || (uint64_t)st.f_bavail * st.f_frsize < need)
		return 0;
	return prefer(m, "OMPI_MCA_btl_vader_backing_directory", m->c.dir);
}

/* ---- the network ---- */

/* The name of the interface that has ADDRESS; false where none has. */
static bool find_interface(const char *address, char *name, size_t size)
{
	struct ifaddrs *all = NULL;
	struct in_addr want;
	bool found = false;

	if (inet_pton(AF_INET, address, &want) != 1 || getifaddrs(&all) < 0)
		return false;
	for (const struct ifaddrs *i = all; i && !found; i = i->ifa_next) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)i->ifa_addr;
		if (!in || in->sin_family != AF_INET || in->sin_addr.s_addr != want.s_addr)
			continue;
		found = strlen(i->ifa_name) < size;
		if (found)
			strcpy(name, i->ifa_name);
	}
	freeifaddrs(all);
	return found;
}

static bool is_loopback(const char *address)
{
	return strncmp(address, "127.", 4) == 0;
}

/* The interface of the node's address; false where it is not known by name. */
static bool own_interface(const struct shep_mpi *m, char *name, size_t size)
{
	const char *address = shep_mpi_share(m)->address;

	if (!is_loopback(address))
		return find_interface(address, name, size);
	snprintf(name, size, "lo");
	return true;
}

/*
 * Traffic among nodes keeps to the node's own interface. Open MPI is not given an address: it takes
 * one with all its bits, /32, for every address there is.
 */
static int prefer_network(struct shep_mpi *m)
{
	char name[INTERFACE_MAX];

	return own_interface(m, name, sizeof name) ?
		       prefer(m, "OMPI_MCA_btl_tcp_if_include", name) :
		       0;
}

/* The same for UCX and libfabric, which MPICH and its relatives are built on. */
int shep_mpi_prefer_device(struct shep_mpi *m)
{
	char name[INTERFACE_MAX];

	if (m->c.launch->placement->n_nodes == 1 || has_rdma() ||
	    !own_interface(m, name, sizeof name))
		return 0;
	int rc = prefer(m, "UCX_NET_DEVICES", name);
	return rc < 0 ? rc : prefer(m, "FI_TCP_IFACE", name);
}

/* ---- MPICH over UCX ---- */

/* Behind what the user has in such a list. */
static int append(struct shep_mpi *m, const char *name, const char *word)
{
	const char *old = shep_environ_get(m->c.environ, name);

	if (!old || !*old)
		return shep_environ_add(m->c.environ, "%s=%s", name, word);
	/* The value lies in the environment that is about to change. */
	cleanup_free char *copy = strdup(old);
	return copy ? shep_environ_add(m->c.environ, "%s=%s:%s", name, copy, word) : -ENOMEM;
}

/*
 * Over TCP, ranks of MPICH wait for ever in MPI_Finalize for those that are there before them:
 * daemon/mpich/lingering.c has the reason. Only where all is known: scripts, and what runs in
 * containers, would be told that they cannot load it.
 */
int shep_mpi_prefer_lingering(struct shep_mpi *m)
{
	char file[PATH_MAX];

	if (m->kind != SHEP_MPI_PMI1 || m->c.launch->placement->n_nodes == 1 || has_rdma() ||
	    dvmd_paths_program(file, sizeof file, "dvm-mpich.so", NULL) < 0)
		return 0;
	int rc = append(m, "LD_PRELOAD", file);
	/* A rank with that sanitizer otherwise refuses to have anything before it. */
	return rc < 0 ? rc : append(m, "ASAN_OPTIONS", "verify_asan_link_order=0");
}

/* ---- the host ---- */

bool shep_mpi_topology(const struct shep_mpi *m, char *file, size_t size)
{
	return snprintf(file, size, "%s/topology.xml", m->c.run_dir) < (int)size &&
	       access(file, R_OK) == 0;
}

/* hwloc reads what has been found out once, instead of finding it out in each rank. */
int shep_mpi_prefer_topology(struct shep_mpi *m)
{
	char file[PATH_MAX];

	if (!shep_mpi_topology(m, file, sizeof file) ||
	    shep_environ_get(m->c.environ, "HWLOC_XMLFILE") ||
	    shep_environ_get(m->c.environ, "HWLOC_SYNTHETIC"))
		return 0;
	int rc = prefer(m, "HWLOC_XMLFILE", file);
	return rc < 0 ? rc : prefer(m, "HWLOC_THISSYSTEM", "1");
}

/* How many ranks there are to a core, those of other nodes of ours on this host counted. */
static uint32_t ranks_per_core(const struct shep_mpi *m)
{
	uint32_t ranks = shep_mpi_share(m)->host_ranks > m->n ? shep_mpi_share(m)->host_ranks : m->n;

	return m->c.cores ? ranks / m->c.cores + (ranks % m->c.cores != 0) : 1;
}

/*
 * While Open MPI's ranks wait for the slowest of them in MPI_Init, each looks every 100 us: with 32 to
 * a core that is a third of all that 64 ranks need. Waking a little late, they look less often; and as
 * one of a crowd they would have had to wait for their turn that long.
 */
unsigned long shep_mpi_timer_slack(const struct shep_mpi *m)
{
	const uint32_t crowd = m && m->kind & SHEP_MPI_PMIX ? ranks_per_core(m) : 1;
	const unsigned long slack = crowd > 1 ? crowd * SLACK_PER_RANK : 0;

	return slack < SLACK_MAX ? slack : SLACK_MAX;
}

/*
 * Who reorders ranks for MPI_Dist_graph_create() asks for the node of each. libpmix 4.2 does not
 * answer that of ranks elsewhere, and the job ends; without it they stay in their order.
 */
static int prefer_topo(struct shep_mpi *m)
{
	return m->c.launch->placement->n_nodes > 1 ? prefer(m, "OMPI_MCA_topo", "^treematch") : 0;
}

int shep_mpi_prefer_ompi(struct shep_mpi *m)
{
	int rc = prefer_transports(m);

	if (rc == 0)
		rc = prefer_directory(m);
	if (rc == 0)
		rc = prefer_network(m);
	if (rc == 0)
		rc = prefer_topo(m);
	if (rc == 0)
		rc = shep_mpi_prefer_device(m);
	/* Cores are short: give way while waiting. Other nodes of ours may use the same ones. */
	if (rc == 0 && ranks_per_core(m) > 1)
		rc = prefer(m, "OMPI_MCA_mpi_yield_when_idle", "1");
	return rc;
}
