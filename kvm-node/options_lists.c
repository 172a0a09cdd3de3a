/* SPDX-License-Identifier: BSD-3-Clause */
/* Options that are lists of words and KEY=VALUE: devices, nodes, what is left out of how pages go. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "kvm-node/options_private.h"
#include "libdvm/base/text.h"

static char *next_word(char **rest)
{
	char *word = *rest;

	if (!word)
		return NULL;
	char *comma = strchr(word, ',');
	*rest = comma ? comma + 1 : NULL;
	if (comma)
		*comma = '\0';
	return word;
}

static const char *value_of(const char *word, const char *key)
{
	size_t n = strlen(key);

	return !strncmp(word, key, n) && word[n] == '=' ? word + n + 1 : NULL;
}

/* WORD says on which of several hosts a device is. */
static bool is_host(const char *word, unsigned *host)
{
	const char *v = value_of(word, "host");
	uint64_t n;

	if (!v || dvmi_text_u64(v, 0, VMM_NODES_MAX - 1, &n) < 0)
		return false;
	*host = (unsigned)n;
	return true;
}

int vmm_options_disk(const struct dvmi_opt_parser *p, struct vmm_config *c, char *arg,
		     dvm_error_t *err)
{
	if (c->n_disks == VMM_DISKS_MAX)
		return dvmi_opt_bad(p, err, "a guest has at most %u disks", VMM_DISKS_MAX);
	struct vmm_disk_config *d = &c->disks[c->n_disks++];
	const char *v;

	d->path = next_word(&arg);
	for (char *word; (word = next_word(&arg));) {
		if ((v = value_of(word, "format")) && !strcmp(v, "qcow2"))
			d->format = VMM_DISK_QCOW2;
		else if (v && !strcmp(v, "raw"))
			d->format = VMM_DISK_RAW;
		else if ((v = value_of(word, "backing")) && *v && d->n_backing < VMM_BACKING_MAX)
			d->backing[d->n_backing++] = v;
		else if (!strcmp(word, "ro"))
			d->ro = true;
		else if (!strcmp(word, "snapshot"))
			d->snapshot = true;
		else if (!is_host(word, &d->host))
			return dvmi_opt_bad(p, err,
					    "\"%s\" is not of format=raw, format=qcow2, "
					    "backing=FILE (at most %u), ro, snapshot, host=N",
					    word, VMM_BACKING_MAX);
	}
	if (d->n_backing && d->format != VMM_DISK_QCOW2)
		return dvmi_opt_bad(p, err, "backing=FILE is for format=qcow2");
	return *d->path ? 0 : dvmi_opt_bad(p, err, "which file?");
}

static int parse_mac(const char *s, uint8_t mac[6])
{
	int end = 0;

	if (sscanf(s, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%n", &mac[0], &mac[1], &mac[2], &mac[3],
		   &mac[4], &mac[5], &end) != 6 || s[end] || mac[0] & 1)
		return -EINVAL;
	return 0;
}

int vmm_options_net(const struct dvmi_opt_parser *p, struct vmm_config *c, char *arg,
		    dvm_error_t *err)
{
	if (c->n_nets == VMM_NETS_MAX)
		return dvmi_opt_bad(p, err, "a guest has at most %u network cards", VMM_NETS_MAX);
	struct vmm_net_config net = { 0 };
	bool none = false;
	const char *v;

	for (char *word; (word = next_word(&arg));) {
		if (!strcmp(word, "user"))
			net.kind = VMM_NET_USER;
		else if (!strcmp(word, "none"))
			none = true;
		else if ((v = value_of(word, "tap")) && *v)
			net.kind = VMM_NET_TAP, net.tap = v;
		else if ((v = value_of(word, "mac")) && parse_mac(v, net.mac) == 0)
			net.has_mac = true;
		else if (!is_host(word, &net.host))
			return dvmi_opt_bad(p, err,
					    "\"%s\" is not of user, tap=IF, none, mac=ADDR, host=N",
					    word);
	}
	if (none == (net.kind != VMM_NET_NONE))
		return dvmi_opt_bad(p, err, none ? "none, or a card?" :
						   "user, tap=IF or none is missing");
	if (!none)
		c->nets[c->n_nets++] = net;
	return 0;
}

int vmm_options_share(const struct dvmi_opt_parser *p, struct vmm_config *c, char *arg,
		      dvm_error_t *err)
{
	if (c->n_shares == VMM_SHARES_MAX)
		return dvmi_opt_bad(p, err, "a guest has at most %u shares", VMM_SHARES_MAX);
	struct vmm_share_config *s = &c->shares[c->n_shares++];
	const char *v;

	s->dir = next_word(&arg);
	for (char *word; (word = next_word(&arg));) {
		if ((v = value_of(word, "tag")) && *v)
			s->tag = v;
		else if (!strcmp(word, "ro"))
			s->ro = true;
		else
			return dvmi_opt_bad(p, err, "\"%s\" is not of tag=NAME, ro", word);
	}
	return *s->dir ? 0 : dvmi_opt_bad(p, err, "which directory?");
}

static const struct {
	const char *word;
	unsigned pages;
} page_words[] = {
	{ "no-prefetch", VMM_PAGES_NO_PREFETCH },
	{ "no-elision", VMM_PAGES_NO_ELISION },
	{ "no-batch", VMM_PAGES_NO_BATCH },
	{ "no-hold", VMM_PAGES_NO_HOLD },
	{ "no-diff", VMM_PAGES_NO_DIFF },
	{ "no-walked", VMM_PAGES_NO_WALKED },
	{ "no-queues", VMM_PAGES_NO_QUEUES },
	/* Page tables stay what they are: nothing else gets a kernel through its start. */
	{ "ivy", VMM_PAGES_NO_PREFETCH | VMM_PAGES_NO_ELISION | VMM_PAGES_NO_BATCH |
			 VMM_PAGES_NO_HOLD | VMM_PAGES_NO_DIFF | VMM_PAGES_NO_QUEUES |
			 VMM_PAGES_SERIAL },
};

int vmm_options_pages(const struct dvmi_opt_parser *p, struct vmm_config *c, char *arg,
		      dvm_error_t *err)
{
	const size_t n = sizeof page_words / sizeof page_words[0];

	for (char *word; (word = next_word(&arg));) {
		size_t i = 0;
		while (i < n && strcmp(word, page_words[i].word))
			i++;
		if (i == n)
			return dvmi_opt_bad(p, err, "there is no \"%s\"", word);
		c->pages |= page_words[i].pages;
	}
	return 0;
}

int vmm_options_vsock(const struct dvmi_opt_parser *p, struct vmm_config *c, char *arg,
		      dvm_error_t *err)
{
	const char *v;
	uint64_t cid;

	if (dvmi_text_u64(next_word(&arg), 3, UINT32_MAX - 1, &cid) < 0)
		return dvmi_opt_bad(p, err, "a guest's CID is a number from 3 on");
	c->vsock_cid = (uint32_t)cid;
	for (char *word; (word = next_word(&arg));) {
		if (!(v = value_of(word, "path")) || !*v)
			return dvmi_opt_bad(p, err, "\"%s\" is not path=PATH", word);
		c->vsock_path = v;
	}
	return 0;
}

int vmm_options_node(const struct dvmi_opt_parser *p, struct vmm_config *c, char *arg,
		     dvm_error_t *err)
{
	if (c->n_nodes == VMM_NODES_MAX)
		return dvmi_opt_bad(p, err, "a guest has at most %u NUMA nodes", VMM_NODES_MAX);
	struct vmm_node_config *node = &c->nodes[c->n_nodes++];
	const char *v;
	uint64_t n;

	for (char *word; (word = next_word(&arg));) {
		if ((v = value_of(word, "cpus")) && dvmi_text_u64(v, 0, VMM_CPUS_MAX, &n) == 0)
			node->cpus = (unsigned)n;
		else if (!(v = value_of(word, "mem")) || dvmi_text_size_parse(v, &node->mem) < 0)
			return dvmi_opt_bad(p, err, "\"%s\" is not of cpus=N, mem=SIZE", word);
	}
	return node->mem ? 0 : dvmi_opt_bad(p, err, "how much memory?");
}
