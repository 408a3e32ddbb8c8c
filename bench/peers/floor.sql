create table job (
  id bigint auto_increment primary key, uid binary(16) not null unique, name varchar(100) not null,
  queue varchar(50) not null, status varchar(16) not null, priority int not null default 0, payload json not null,
  result json null, step_no int not null default 0, run_at datetime(6) not null, created datetime(6) not null,
  updated datetime(6) not null, finished datetime(6) null, owner varchar(64) null, lease_until datetime(6) null,
  attempt_no int not null default 0,
  key claim (status, queue, priority, run_at, id), key lease (status, lease_until));
create table attempt (
  id bigint auto_increment primary key, job_id bigint not null, no int not null, worker varchar(64) not null,
  status varchar(16) not null, started datetime(6) not null, finished datetime(6) null, error text null,
  unique key (job_id, no), foreign key (job_id) references job (id));
create table step_result (
  id bigint auto_increment primary key, job_id bigint not null, step_no int not null, name varchar(100) not null,
  status varchar(16) not null, result json not null, started datetime(6) not null, finished datetime(6) not null,
  unique key (job_id, step_no), foreign key (job_id) references job (id));
create table event (
  id bigint auto_increment primary key, job_id bigint not null, kind varchar(32) not null, at datetime(6) not null,
  data json null, key (job_id), foreign key (job_id) references job (id));
