// SPDX-License-Identifier: GPL-2.0-only
/*
 * dlopen() and dlsym().
 */
#include <dlfcn.h>
#include <errno.h>

#include "library.h"

int library_load(const char *const files[], const char *const symbols[], void **table,
		 struct why *why)
{
	void *library = NULL;
	const char *name;

	for (unsigned int i = 0; files[i] && !library; i++) {
		library = dlopen(files[i], RTLD_NOW | RTLD_LOCAL);
		if (!library)
			why_set(why, -ENOENT, "%s", dlerror());
	}
	if (!library)
		return -ENOENT;
	for (unsigned int i = 0; (name = symbols[i]); i++) {
		table[i] = dlsym(library, name);
		if (!table[i]) {
			dlclose(library);
			return why_set(why, -ENOSYS, "%s has no %s: it is too old", files[0], name);
		}
	}
	return 0;
}
