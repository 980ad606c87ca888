/* vmboot init: PID 1 of the appliance. */
#include "init.h"

#include <stdio.h>
#include <unistd.h>

#include "cmd.h"

int cmd_init(int argc, char **argv)
{
	struct init_options options = {.root = "", .program = argv[0], .mount = true};

	(void)argc;
	if (getpid() != 1) {
		fprintf(stderr,
			"vmboot: init is what the kernel starts as its first process, and this "
			"is another one. `vmboot` opens the menu.\n");
		return 1;
	}
	/* The kernel gives the whole path, which is of use without /proc as well. */
	if (argv[0][0] != '/')
		options.program = "/proc/self/exe";
	init_run(&options);
}
