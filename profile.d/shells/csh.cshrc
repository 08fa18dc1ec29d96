# Read by /etc/csh.cshrc: the idle limit for tcsh, login shell or not.
if (-r /etc/profile.d/tmout.csh) source /etc/profile.d/tmout.csh
