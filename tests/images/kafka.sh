#!/bin/sh
# What the official image does: Kafka's own class makes the settings of the environment, and formats the disk.
# JAVA, CLASSES, OPTIONS and CACHE are the image's.
set -e
settings=/opt/kafka/config
run() { "$JAVA" ${KAFKA_HEAP_OPTS--Xmx256m} $OPTIONS $CACHE -cp "$CLASSES" "$@"; }
if [ ! -e "$settings/made" ]; then # a container's environment stays the same over its restarts
  if ! said=$(run kafka.docker.KafkaDockerWrapper setup --default-configs-dir /etc/kafka/docker \
    --mounted-configs-dir /mnt/shared/config --final-configs-dir "$settings" 2>&1); then
    case "$said" in
      *"already formatted"*) ;; # it was killed in between
      *)
        echo "$said"
        exit 1
        ;;
    esac
  fi
  : >"$settings/made"
fi
exec "$JAVA" ${KAFKA_HEAP_OPTS--Xmx256m} $OPTIONS $CACHE -cp "$CLASSES" kafka.Kafka "$settings/server.properties"
