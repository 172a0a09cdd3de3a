/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <hwloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/hostmem.h"
#include "daemon/topo.h"
#include "libdvm/base/cleanup.h"
#include "libdvm/base/err.h"

#define ENCODING 1

void dvmd_topo_free(struct dvmd_topo *topo)
{
	dsched_topo_free(&topo->cpus);
	topo->mem = 0;
}

/* ---- hwloc ---- */

/* Plugins of hwloc find GPUs and PCI devices, which costs more than all the rest: keep them out. */
static int init_without_plugins(hwloc_topology_t *t)
{
	static const char variable[] = "HWLOC_PLUGINS_PATH";
	const char *was = getenv(variable);
	cleanup_free char *saved = was ? strdup(was) : NULL;

	if (was && !saved)
		return -1;
	setenv(variable, "", 1);
	int rc = hwloc_topology_init(t);
	if (saved)
		setenv(variable, saved, 1);
	else
		unsetenv(variable);
	return rc;
}

/* Only what sched/ asks for, and nothing that has to run on every CPU to find out (x86). */
static int load(hwloc_topology_t t)
{
	static const hwloc_obj_type_t kept[] = { HWLOC_OBJ_PACKAGE, HWLOC_OBJ_L3CACHE,
						 HWLOC_OBJ_CORE };

	hwloc_topology_set_components(t, HWLOC_TOPOLOGY_COMPONENTS_FLAG_BLACKLIST, "x86");
	if (hwloc_topology_set_all_types_filter(t, HWLOC_TYPE_FILTER_KEEP_NONE) < 0)
		return -1;
	for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
		if (hwloc_topology_set_type_filter(t, kept[i], HWLOC_TYPE_FILTER_KEEP_ALL) < 0)
			return -1;
	/* Several NUMA nodes in a package hang below groups; without those they would look like
	 * one. */
	if (hwloc_topology_set_type_filter(t, HWLOC_OBJ_GROUP, HWLOC_TYPE_FILTER_KEEP_STRUCTURE) <
	    0)
		return -1;
	return hwloc_topology_load(t);
}

/* ---- from hwloc's tree to sched's arrays ---- */

/* One PU with what it lies in; -1 where hwloc knows of none. */
struct spot {
	unsigned os;
	int core, l3, package; /* hwloc's logical indexes */
	int package_os, numa_os;
};

static int index_or(hwloc_obj_t obj, int none)
{
	return obj ? (int)obj->logical_index : none;
}

static int os_or_logical(hwloc_obj_t obj)
{
	return obj->os_index <= UINT16_MAX ? (int)obj->os_index : (int)obj->logical_index;
}

static struct spot spot_of(hwloc_topology_t t, hwloc_obj_t pu)
{
	hwloc_obj_t core = hwloc_get_ancestor_obj_by_type(t, HWLOC_OBJ_CORE, pu);
	hwloc_obj_t l3 = hwloc_get_ancestor_obj_by_type(t, HWLOC_OBJ_L3CACHE, pu);
	hwloc_obj_t package = hwloc_get_ancestor_obj_by_type(t, HWLOC_OBJ_PACKAGE, pu);
	int numa = pu->nodeset ? hwloc_bitmap_first(pu->nodeset) : -1;

	return (struct spot){
		.os = pu->os_index,
		/* Where cores are not known each PU is one. */
		.core = index_or(core, (int)pu->logical_index),
		.l3 = index_or(l3, -1),
		.package = index_or(package, -1),
		.package_os = package ? os_or_logical(package) : 0,
		.numa_os = numa >= 0 && numa <= UINT16_MAX ? numa : 0,
	};
}

/* Tree order, and inside a core by number, as sched/ wants it. */
static int by_core(const void *a, const void *b)
{
	const struct spot *x = a, *y = b;

	if (x->core != y->core)
		return x->core < y->core ? -1 : 1;
	return (x->os > y->os) - (x->os < y->os);
}

/* The PUs that are allowed both by the host (what hwloc shows) and by MASK. */
static unsigned list_spots(hwloc_topology_t t, hwloc_const_cpuset_t mask, struct spot *spots)
{
	unsigned n = 0;

	for (hwloc_obj_t pu = NULL; (pu = hwloc_get_next_obj_by_type(t, HWLOC_OBJ_PU, pu));)
		if (pu->os_index < DSCHED_PU_MAX && n < DSCHED_PU_MAX &&
		    hwloc_bitmap_isset(mask, pu->os_index))
			spots[n++] = spot_of(t, pu);
	qsort(spots, n, sizeof *spots, by_core);
	return n;
}

static uint16_t number_of(uint16_t *list, uint32_t *n, int os)
{
	for (uint32_t i = 0; i < *n; i++)
		if (list[i] == os)
			return (uint16_t)i;
	list[*n] = (uint16_t)os;
	return (uint16_t)(*n)++;
}

static void add_core(struct dsched_topo *out, const struct spot *s, const struct spot *was)
{
	struct dsched_pu *pu = &out->pus[out->npus];

	pu->core = (uint16_t)out->ncores++;
	pu->package = number_of(out->package_os, &out->npackages, s->package_os);
	pu->numa = number_of(out->numa_os, &out->nnuma, s->numa_os);
	/* Without an L3 the CPUs of a package are taken to be equally near. */
	out->nl3 += !was || was->l3 != s->l3 || was->package != s->package;
	pu->l3 = (uint16_t)(out->nl3 - 1);
}

/* A core lies where its first PU lies. */
static void add_spot(struct dsched_topo *out, const struct spot *s, const struct spot *was)
{
	struct dsched_pu *pu = &out->pus[out->npus];

	if (was && was->core == s->core)
		*pu = pu[-1];
	else
		add_core(out, s, was);
	pu->os = (uint16_t)s->os;
	out->npus++;
}

static int fill(struct dsched_topo *out, const struct spot *spots, unsigned n)
{
	struct dsched_topo t = {
		.pus = calloc(n, sizeof *t.pus),
		.numa_os = calloc(n, sizeof *t.numa_os),
		.package_os = calloc(n, sizeof *t.package_os),
	};

	if (!t.pus || !t.numa_os || !t.package_os) {
		dsched_topo_free(&t);
		return -ENOMEM;
	}
	for (unsigned i = 0; i < n; i++)
		add_spot(&t, &spots[i], i ? &spots[i - 1] : NULL);
	*out = t;
	return 0;
}

static int collect(struct dsched_topo *out, hwloc_topology_t t, hwloc_cpuset_t mask)
{
	cleanup_free struct spot *spots = calloc(DSCHED_PU_MAX, sizeof *spots);

	if (!spots)
		return -ENOMEM;
	/* hwloc follows the control group's cpuset; CPU affinity (taskset) is up to us. */
	if (hwloc_get_cpubind(t, mask, HWLOC_CPUBIND_THREAD) < 0)
		hwloc_bitmap_fill(mask);
	unsigned n = list_spots(t, mask, spots);
	return n ? fill(out, spots, n) : -EIO;
}

static int discover_cpus(struct dsched_topo *out)
{
	hwloc_cpuset_t mask = hwloc_bitmap_alloc();
	hwloc_topology_t t;
	int rc = -EIO;

	if (!mask)
		return -ENOMEM;
	if (init_without_plugins(&t) == 0) {
		if (load(t) == 0)
			rc = collect(out, t, mask);
		hwloc_topology_destroy(t);
	}
	hwloc_bitmap_free(mask);
	return rc;
}

int dvmd_topo_discover(struct dvmd_topo *out, dvm_error_t *err)
{
	struct dvmd_hostmem mem;
	struct dsched_topo cpus;
	int rc = dvmd_hostmem_read(&mem, "", err);

	if (rc < 0)
		return rc;
	rc = discover_cpus(&cpus);
	if (rc < 0)
		return dvmi_error_code(err, rc, "the topology of this host cannot be found out");
	*out = (struct dvmd_topo){ .cpus = cpus, .mem = mem.total };
	return 0;
}

void dvmd_topo_host(char out[DVMD_TOPO_HOST_MAX])
{
	cleanup_file FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");

	if (!f || !fgets(out, DVMD_TOPO_HOST_MAX, f))
		out[0] = 0;
	out[strcspn(out, "\n")] = 0;
}

/* ---- bytes ---- */

/* Version, memory, then the text of the CPUs. */
void dvmd_topo_encode(const struct dvmd_topo *topo, struct dvmi_buf *out)
{
	struct dvmi_buf text = { 0 };

	dsched_topo_format(&topo->cpus, &text);
	dvmi_buf_put_u8(out, ENCODING);
	dvmi_buf_put_u64(out, topo->mem);
	dvmi_buf_put_blob(out, text.data, (uint32_t)text.len);
	if (text.err)
		out->err = text.err;
	dvmi_buf_free(&text);
}

int dvmd_topo_decode(struct dvmd_topo *out, const void *p, size_t n)
{
	struct dvmi_reader r;
	struct dvmd_topo topo = { 0 };
	uint32_t len;

	dvmi_reader_init(&r, p, n);
	uint8_t version = dvmi_get_u8(&r);
	if (version != ENCODING)
		return version > ENCODING ? -DVM_EVERSION : -DVM_EPROTO;
	topo.mem = dvmi_get_u64(&r);
	const uint8_t *text = dvmi_get_blob(&r, DSCHED_TOPO_TEXT_MAX, &len);
	int rc = dvmi_reader_done(&r);
	if (rc == 0)
		rc = dsched_topo_parse(&topo.cpus, (const char *)text, len);
	if (rc == 0)
		*out = topo;
	return rc;
}
