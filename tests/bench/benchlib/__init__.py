# SPDX-License-Identifier: BSD-3-Clause
"""What the benchmarks that compare dvm with others share."""
