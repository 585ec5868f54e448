# shellcheck shell=bash
# boots: plain
explore() { set -x
mkdir -p /tmp/img/bin /tmp/img/etc /tmp/img/data /tmp/img/opt/gone /tmp/img/tmp
cp /usr/bin/busybox /tmp/img/bin/; for a in sh cat sleep date mv rm mkdir touch ln chmod chown mkfifo echo dd; do ln -s busybox /tmp/img/bin/$a; done
echo one > /tmp/img/etc/app.conf; echo old > /tmp/img/opt/gone/a
tar -C /tmp/img -c . | podman import --quiet - img
podman images
podman run -d --name c1 --network none img sh -c 'i=0; echo changed >> /etc/app.conf; rm -r /opt/gone; echo new > /data/new; while :; do i=$((i+1)); echo $i > /data/n; sleep 0.2; done'
podman ps; sleep 3; podman diff c1
time podman container checkpoint --export /tmp/c1.tar.zst c1
ls -la /tmp
podman ps -a
m=$(podman mount c1); find $m -ls | head -40; grep overlay /proc/mounts
podman inspect c1 | grep -A12 GraphDriver
i=$(podman image mount img); ls $i
podman volume create v
cat /var/lib/containers/storage/overlay-containers/*/userdata/dump.log | tail -5
}
check explore explore
