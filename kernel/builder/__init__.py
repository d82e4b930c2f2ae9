# SPDX-License-Identifier: GPL-2.0-only
"""The steps of kernel/build."""
