"""AIX: the trail that `auditpr` prints or the kernel writes, and the WPARs its events happened in."""
