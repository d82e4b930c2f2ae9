/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What differs between the fio versions the engine is built for (3.31 to 3.42), and
 * the guard against being loaded by one that it was not built for.
 */
#ifndef FIO_DMABUF_COMPAT_H
#define FIO_DMABUF_COMPAT_H

#include "fio.h"
#include "optgroup.h"

#if FIO_IOOPS_VERSION < 31
#error "fio 3.31 or later is needed"
#endif

/* errdetails() is given the thread since fio 3.38 */
#if FIO_IOOPS_VERSION >= 36
#define COMPAT_ERRDETAILS(io_u)	struct thread_data fio_unused *unused_td, struct io_u *io_u
#else
#define COMPAT_ERRDETAILS(io_u)	struct io_u *io_u
#endif

/* The symbol that fio looks up in an external engine. */
extern struct ioengine_ops ioengine;

/**
 * compat_guard - is @td laid out as in the fio that this engine was built for?
 * @td: what fio passed to a hook
 *
 * To be called first, in the first hook that fio calls: two builds of fio can give
 * the same version and still differ. Looks at one pointer only, and says what is
 * wrong.
 *
 * Return: 0 if it is, else -EPROTO; @td must then not be touched, not even to note
 * an error.
 */
int compat_guard(const struct thread_data *td);

#endif
