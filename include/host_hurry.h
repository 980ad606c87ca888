/*
 * Hurried RCU grace periods (Linux Documentation/admin-guide/kernel-parameters.txt, rcupdate.rcu_expedited): some calls of
 * KVM wait for one. This is a setting of the whole host, which costs every CPU an interrupt, so it is made for such a call
 * only, by who may (root), and by a number of our own: what a killed process has left is told from what the operator wants.
 */
#ifndef VMB_INCLUDE_HOST_HURRY_H
#define VMB_INCLUDE_HOST_HURRY_H

/* Below ROOT ("" for the running system) they are hurried from now on, unless the operator has chosen that already. */
void host_hurry_begin(const char *root);

/* No longer, if one of us has begun it, this process or one that died since. What the operator has set stays. */
void host_hurry_end(const char *root);

#endif
