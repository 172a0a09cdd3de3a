/* SPDX-License-Identifier: BSD-3-Clause */
/* The options that are lists, for the table of all. ARG is cut up, and must live as long as C. */
#ifndef VMM_OPTIONS_PRIVATE_H
#define VMM_OPTIONS_PRIVATE_H

#include "kvm-node/options.h"

int vmm_options_disk(const struct dvmi_opt_parser *p, struct vmm_config *c, char *arg,
		     dvm_error_t *err);
int vmm_options_net(const struct dvmi_opt_parser *p, struct vmm_config *c, char *arg,
		    dvm_error_t *err);
int vmm_options_share(const struct dvmi_opt_parser *p, struct vmm_config *c, char *arg,
		      dvm_error_t *err);
int vmm_options_pages(const struct dvmi_opt_parser *p, struct vmm_config *c, char *arg,
		      dvm_error_t *err);
int vmm_options_vsock(const struct dvmi_opt_parser *p, struct vmm_config *c, char *arg,
		      dvm_error_t *err);
int vmm_options_node(const struct dvmi_opt_parser *p, struct vmm_config *c, char *arg,
		     dvm_error_t *err);

#endif
