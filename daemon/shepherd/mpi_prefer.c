/* SPDX-License-Identifier: BSD-3-Clause */
/* What ranks are told beside who they are: defaults of MPI libraries that suit where they run. */
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "daemon/shepherd/mpi_private.h"

/* A preference that the user has not stated. */
static int prefer(struct shep_mpi *m, const char *name, const char *value)
{
	if (shep_environ_get(m->c.environ, name))
		return 0;
	return shep_environ_add(m->c.environ, "%s=%s", name, value);
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
	/* Of those that can have windows over TCP, the one that can have threads as well. */
	if (rc == 0 && m->c.launch->placement->n_nodes > 1)
		rc = prefer(m, "OMPI_MCA_osc", "sm,rdma,ucx");
	return rc;
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

/* Traffic among nodes keeps to the node's own interface. Open MPI takes networks, … */
static int prefer_network(struct shep_mpi *m)
{
	const char *address = shep_mpi_share(m)->address;
	char net[80];

	if (strchr(address, ':'))
		return 0;
	if (is_loopback(address))
		return prefer(m, "OMPI_MCA_btl_tcp_if_include", "127.0.0.0/8");
	snprintf(net, sizeof net, "%.64s/32", address);
	return prefer(m, "OMPI_MCA_btl_tcp_if_include", net);
}

/* … UCX and libfabric, which MPICH and its relatives are built on, names. */
int shep_mpi_prefer_device(struct shep_mpi *m)
{
	const char *address = shep_mpi_share(m)->address;
	char name[64] = "lo";

	if (m->c.launch->placement->n_nodes == 1 || has_rdma() ||
	    (!is_loopback(address) && !find_interface(address, name, sizeof name)))
		return 0;
	int rc = prefer(m, "UCX_NET_DEVICES", name);
	return rc < 0 ? rc : prefer(m, "FI_TCP_IFACE", name);
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

int shep_mpi_prefer_ompi(struct shep_mpi *m)
{
	int rc = prefer_transports(m);

	if (rc == 0)
		rc = prefer_directory(m);
	if (rc == 0)
		rc = prefer_network(m);
	if (rc == 0)
		rc = shep_mpi_prefer_device(m);
	/* Cores are short: give way while waiting. Other nodes of ours may use the same ones. */
	if (rc == 0 && (m->n > m->c.cores || shep_mpi_share(m)->host_ranks > m->c.cores))
		rc = prefer(m, "OMPI_MCA_mpi_yield_when_idle", "1");
	return rc;
}
