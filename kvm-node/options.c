/* SPDX-License-Identifier: BSD-3-Clause */
#include "kvm-node/options_private.h"

#include <errno.h>

#include "kvm-node/cpuid.h"
#include "libdvm/base/err.h"

enum {
	OPT_NAME = 1, OPT_CPUS, OPT_MEM, OPT_NUMA, OPT_NODE, OPT_DISTANCE, OPT_CPU, OPT_APIC,
	OPT_KERNEL, OPT_INITRD, OPT_APPEND, OPT_DISK, OPT_NET, OPT_SHARE, OPT_RNG, OPT_BALLOON,
	OPT_VSOCK, OPT_NO_REBOOT, OPT_STAT, OPT_LOG_LEVEL, OPT_CHECK, OPT_VERSION, OPT_CONTROL,
	OPT_ASK, OPT_HOSTS, OPT_ISOLATION, OPT_CONSOLE, OPT_KSM, OPT_TICK_REST, OPT_NO_TUNING,
	OPT_PAGES, OPT_NO_GATHER, OPT_STAY_APART,
};

static const struct dvmi_opt options[] = {
	{ OPT_KERNEL, 'k', "kernel", NULL, "FILE", "Boot",
	  "bzImage, vmlinux (ELF), or a bare 64-bit program", "@file" },
	{ OPT_INITRD, 'i', "initrd", NULL, "FILE", NULL, "initial file system", "@file" },
	{ OPT_APPEND, 'a', "append", NULL, "TEXT", NULL,
	  "the kernel's command line (default: console=ttyS0)", NULL },
	{ OPT_NO_TUNING, 0, "no-tuning", NULL, NULL, NULL,
	  "over hosts: nothing is put before the command line", NULL },
	{ OPT_NO_REBOOT, 0, "no-reboot", NULL, NULL, NULL, "a reset ends the guest", NULL },
	{ OPT_NAME, 'n', "name", NULL, "NAME", "Machine", "what messages call it", NULL },
	{ OPT_CPUS, 'c', "cpus", "-smp", "N", NULL, "virtual CPUs (default 1)", NULL },
	{ OPT_MEM, 'm', "mem", "--memory", "SIZE", NULL, "memory (default 256M)", NULL },
	{ OPT_NUMA, 0, "numa", NULL, "N", NULL,
	  "N NUMA nodes, CPUs and memory spread evenly (default 1)", NULL },
	{ OPT_NODE, 0, "node", NULL, "cpus=N,mem=SIZE", NULL,
	  "one more NUMA node; instead of --cpus, --mem and --numa", NULL },
	{ OPT_HOSTS, 0, "hosts", NULL, "N", NULL,
	  "this is one of N monitors of a guest, ranks of one job, each with a NUMA node", NULL },
	{ OPT_TICK_REST, 0, "tick-rest", NULL, "N", NULL,
	  "a vCPU's timer waits N times as long as its last interrupt took (default 0, over hosts 12)",
	  NULL },
	{ OPT_PAGES, 0, "pages", NULL, "ivy|no-WHAT,…", NULL,
	  "over hosts, for measurements: as the first systems did, or without some of prefetch, elision, "
	  "batch, hold, diff, walked, queues",
	  NULL },
	{ OPT_NO_GATHER, 0, "no-gather", NULL, NULL, NULL,
	  "over hosts: a kernel's CPUs start where they belong, not together on the first one", NULL },
	{ OPT_STAY_APART, 0, "stay-apart", NULL, NULL, NULL,
	  "over hosts: CPUs that wait for each other's pages more than they run do not meet on one", NULL },
	{ OPT_DISTANCE, 0, "distance", NULL, "D", NULL,
	  "between NUMA nodes, 11 to 254, 10 being local (default 20, over hosts 40)", NULL },
	{ OPT_CPU, 0, "cpu", NULL, "MODEL", NULL,
	  "host, or x86-64-v1 to x86-64-v4 for a guest that may move (default host)",
	  "host x86-64-v1 x86-64-v2 x86-64-v3 x86-64-v4" },
	{ OPT_APIC, 0, "apic", NULL, "MODE", NULL,
	  "how the local APICs start: x2apic or xapic (what kernels take)", "x2apic xapic" },
	{ OPT_KSM, 0, "ksm", NULL, NULL, NULL, "share equal pages with other guests (KSM)", NULL },
	{ OPT_DISK, 'd', "disk", NULL, "FILE[,format=raw|qcow2][,backing=FILE][,ro][,snapshot][,host=N]", "Devices", "a disk",
	  "@file" },
	{ OPT_NET, 0, "net", NULL, "user|tap=IF|none[,mac=ADDR][,host=N]", NULL, "a network card", NULL },
	{ OPT_SHARE, 0, "share", NULL, "DIR[,tag=NAME][,ro]", NULL, "a directory of the host", "@dir" },
	{ OPT_RNG, 0, "rng", NULL, NULL, NULL, "a source of randomness", NULL },
	{ OPT_BALLOON, 0, "balloon", NULL, NULL, NULL, "gives unused memory back to the host", NULL },
	{ OPT_VSOCK, 0, "vsock", NULL, "CID[,path=PATH]", NULL,
	  "sockets between guest and host; the host's are PATH and PATH_port (default vsock-CID)",
	  NULL },
	{ OPT_CONSOLE, 0, "console", NULL, "serial|virtio", "Watching",
	  "which one the terminal is: ttyS0, or hvc0 of a virtio console (default serial); with "
	  "--control there are both",
	  "serial virtio" },
	{ OPT_STAT, 0, "stat", NULL, "FILE", NULL, "write counters there as JSON, in the end",
	  "@file" },
	{ OPT_CONTROL, 0, "control", NULL, "NAME", NULL,
	  "answer under this name, and keep the console for who asks for it", NULL },
	{ OPT_ASK, 0, "ask", NULL, "WHAT", NULL,
	  "ask the guest of --control: stat, isolation, console, pause, resume, reset, stop, kill, "
	  "or \"balloon SIZE\": what the guest may keep of its memory",
	  "stat isolation console pause resume reset stop kill" },
	{ OPT_ISOLATION, 0, "isolation", NULL, "on|off", NULL,
	  "shut the monitor in once all is open (default on); off for debuggers", "on off" },
	{ OPT_LOG_LEVEL, 0, "log-level", NULL, "LEVEL", NULL, "err to debug (default warning)",
	  "err warning notice info debug" },
	{ OPT_CHECK, 0, "check", NULL, NULL, NULL, "only say whether this host can run guests", NULL },
	{ OPT_VERSION, 0, "version", NULL, NULL, NULL, "print the version", NULL },
	{ 0 },
};

const struct dvmi_opt_command vmm_options_command = {
	.name = "dvm-vmm",
	.brief = "run a virtual machine on this host's KVM",
	.text = "Boots a kernel in a machine of its own, with the terminal as its serial console; "
		"Ctrl-] ends it. `dvm guest` starts guests like jobs and looks after them; this is the "
		"program it starts.\n\n"
		"The exit status is 0 when the guest has switched itself off, was stopped, or has asked "
		"for a reset under --no-reboot, 1 for an "
		"error or a guest that has crashed, 2 for a wrong option, and what it wrote to port "
		"0xf4 for a bare program.",
	.options = options,
};

#define MEM_DEFAULT (UINT64_C(256) << 20)
#define TICK_REST_MAX 100u
#define PAGE_MASK   UINT64_C(4095)

struct numa {
	unsigned n; /* --numa */
	bool plain; /* --cpus or --mem was given */
};

static int parse_apic(const struct dvmi_opt_parser *p, struct vmm_config *c, dvm_error_t *err)
{
	static const char *const modes[] = { "x2apic", "xapic", NULL };
	int i = dvmi_opt_choice(p, modes, err);

	if (i >= 0)
		c->apic = i ? VMM_APIC_XAPIC : VMM_APIC_X2;
	return i < 0 ? i : 0;
}

static int parse_console(const struct dvmi_opt_parser *p, struct vmm_config *c, dvm_error_t *err)
{
	static const char *const words[] = { "serial", "virtio", NULL };
	int i = dvmi_opt_choice(p, words, err);

	if (i >= 0)
		c->hvc = i;
	return i < 0 ? i : 0;
}

static int parse_isolation(const struct dvmi_opt_parser *p, struct vmm_options *o, dvm_error_t *err)
{
	static const char *const words[] = { "off", "on", NULL };
	int i = dvmi_opt_choice(p, words, err);

	if (i >= 0)
		o->isolate = i;
	return i < 0 ? i : 0;
}

/* A kernel refuses all distances where one to elsewhere is none (10) or less than that. */
static int parse_distance(const struct dvmi_opt_parser *p, struct vmm_config *c, dvm_error_t *err)
{
	uint32_t d = 0;
	int rc = dvmi_opt_u32(p, 11, 254, &d, err);

	if (rc == 0)
		c->distance = (uint8_t)d;
	return rc;
}

static int parse_level(const struct dvmi_opt_parser *p, struct vmm_options *o, dvm_error_t *err)
{
	int level = dvmi_log_level_parse(p->arg);

	if (level < 0)
		return dvmi_opt_bad(p, err, "there is no such level");
	o->log_level = level;
	return 0;
}

static int set_u32(const struct dvmi_opt_parser *p, uint32_t max, unsigned *out, dvm_error_t *err)
{
	uint32_t v = 0;
	int rc = dvmi_opt_u32(p, 1, max, &v, err);

	if (rc == 0)
		*out = v;
	return rc;
}

static int parse_device(const struct dvmi_opt_parser *p, int id, struct vmm_config *c,
			dvm_error_t *err)
{
	char *arg = (char *)(uintptr_t)p->arg; /* argv's: it may be cut up */

	switch (id) {
	case OPT_DISK: return vmm_options_disk(p, c, arg, err);
	case OPT_NET: return vmm_options_net(p, c, arg, err);
	case OPT_PAGES: return vmm_options_pages(p, c, arg, err);
	case OPT_SHARE: return vmm_options_share(p, c, arg, err);
	case OPT_NODE: return vmm_options_node(p, c, arg, err);
	case OPT_KSM: c->ksm = true; return 0;
	case OPT_RNG: c->rng = true; return 0;
	case OPT_BALLOON: c->balloon = true; return 0;
	case OPT_VSOCK: return vmm_options_vsock(p, c, arg, err);
	default: return -EINVAL;
	}
}

static int parse_one(const struct dvmi_opt_parser *p, int id, struct vmm_options *o,
		     struct numa *numa, dvm_error_t *err)
{
	struct vmm_config *c = &o->config;
	unsigned level;

	switch (id) {
	case DVMI_OPT_HELP: o->help = true; return 0;
	case OPT_VERSION: o->version = true; return 0;
	case OPT_CHECK: o->check = true; return 0;
	case OPT_KERNEL: c->kernel = p->arg; return 0;
	case OPT_INITRD: c->initrd = p->arg; return 0;
	case OPT_APPEND: c->append = p->arg; return 0;
	case OPT_NAME: c->name = p->arg; return 0;
	case OPT_NO_REBOOT: c->no_reboot = true; return 0;
	case OPT_NO_TUNING: c->no_tuning = true; return 0;
	case OPT_NO_GATHER: c->no_gather = true; return 0;
	case OPT_STAY_APART: c->stay_apart = true; return 0;
	case OPT_CONTROL: o->control = p->arg; return 0;
	case OPT_ASK: o->ask = p->arg; return 0;
	case OPT_STAT: o->stat_file = p->arg; return 0;
	case OPT_LOG_LEVEL: return parse_level(p, o, err);
	case OPT_CONSOLE: return parse_console(p, c, err);
	case OPT_ISOLATION: return parse_isolation(p, o, err);
	case OPT_CPU: c->cpu = p->arg; return vmm_cpuid_level(p->arg, &level, err);
	case OPT_APIC: return parse_apic(p, c, err);
	case OPT_CPUS: numa->plain = true; return set_u32(p, VMM_CPUS_MAX, &c->cpus, err);
	case OPT_MEM: numa->plain = true; return dvmi_opt_size(p, &c->mem, err);
	case OPT_HOSTS: return set_u32(p, VMM_NODES_MAX, &o->hosts, err);
	case OPT_NUMA: return set_u32(p, VMM_NODES_MAX, &numa->n, err);
	case OPT_TICK_REST:
		c->has_tick_rest = true;
		return dvmi_opt_u32(p, 0, TICK_REST_MAX, &c->tick_rest, err);
	case OPT_DISTANCE: return parse_distance(p, c, err);
	default: return parse_device(p, id, c, err);
	}
}

/* CPUs and memory of the nodes: as given, or spread evenly. */
static int divide(struct vmm_config *c, const struct numa *numa, dvm_error_t *err)
{
	if (c->n_nodes && (numa->plain || numa->n))
		return dvmi_error_set(err, -EINVAL, "--node says it all: no --cpus, --mem or --numa");
	if (c->n_nodes) {
		c->cpus = 0;
		c->mem = 0;
		for (unsigned i = 0; i < c->n_nodes; i++) {
			c->cpus += c->nodes[i].cpus;
			c->mem += c->nodes[i].mem;
		}
		return 0;
	}
	c->mem &= ~PAGE_MASK; /* 1.3G or 4GB are none, and nobody misses the rest */
	c->n_nodes = numa->n ? numa->n : 1;
	for (unsigned i = 0; i < c->n_nodes; i++) {
		c->nodes[i].cpus = c->cpus / c->n_nodes + (i < c->cpus % c->n_nodes);
		c->nodes[i].mem = c->mem / c->n_nodes & ~PAGE_MASK;
	}
	c->nodes[0].mem += c->mem - c->nodes[0].mem * c->n_nodes;
	return 0;
}

static bool complete(const struct vmm_options *o)
{
	return o->help || o->version || o->check || o->ask || o->config.kernel;
}

int vmm_options_parse(struct vmm_options *o, int argc, char **argv, dvm_error_t *err)
{
	struct dvmi_opt_parser p;
	struct numa numa = { 0 };
	int id, rc = 0;

	*o = (struct vmm_options){
		.config = { .size = sizeof o->config, .cpus = 1, .mem = MEM_DEFAULT, .name = "guest",
			    .console_in = -1, .console_out = -1,
			    .hvc_in = -1, .hvc_out = -1 },
		.log_level = LOG_WARNING,
		.isolate = true,
	};
	dvmi_opt_init(&p, &vmm_options_command, argc, argv);
	while (rc == 0 && (id = dvmi_opt_next(&p, err)) != 0)
		rc = id < 0 ? id : parse_one(&p, id, o, &numa, err);
	if (rc == 0 && !complete(o))
		rc = dvmi_error_set(err, -EINVAL, "--kernel is missing");
	if (rc == 0 && o->ask && !o->control)
		rc = dvmi_error_set(err, -EINVAL, "--ask: whom? --control is missing");
	if (rc == 0 && o->hosts && !o->config.n_nodes && !numa.n)
		numa.n = o->hosts;
	return rc < 0 ? rc : divide(&o->config, &numa, err);
}
