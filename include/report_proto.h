/* What `vmboot report` and the daemon that starts it for a menu agree on. */
#ifndef VMB_INCLUDE_REPORT_PROTO_H
#define VMB_INCLUDE_REPORT_PROTO_H

#define REPORT_CLIENT_FD 3 /* a socket to the daemon, as a menu has it */
#define REPORT_RESULT_FD 4 /* where one of these letters goes, and then a path or a sentence */

#define REPORT_WRITTEN 'w'
#define REPORT_FAILED  'f'

#endif
