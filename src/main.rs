use handfast::engine::responder::*;
use std::time::Duration;
fn main() {
    let mut args = std::env::args().skip(1);
    let dev = args.next().unwrap();
    let secs: u64 = args.next().unwrap().parse().unwrap();
    let mut options = Options { devices: vec![dev], ..Options::default() };
    for a in args {
        if a == "--cookies" {
            options.config.cookies = handfast::tcp::CookieMode::Always;
            continue;
        }
        let (o, s) = a.split_once('=').unwrap();
        let s: handfast::service::Service = s.parse().unwrap();
        options.listen.push((o.parse().unwrap(), Box::new(move || s.user())));
    }
    let r = Responder::open(options).unwrap_or_else(|e| panic!("{e}"));
    println!("{:?}", r.active);
    handfast::engine::drop_privileges().unwrap();
    let running = r.run().unwrap_or_else(|e| panic!("{e}"));
    println!("ready");
    for _ in 0..secs * 4 {
        std::thread::sleep(Duration::from_millis(250));
        if let Some(f) = running.fault() {
            println!("{f}");
            break;
        }
    }
    let f = running.stop();
    println!("{}", serde_json::to_string(&f.snapshot.total()).unwrap());
    println!("{}", serde_json::to_string(&f.snapshot.queues).unwrap());
    for s in &f.snapshot.steering {
        println!("{:?}", s.verdicts.seen().collect::<Vec<_>>());
    }
    println!("{:?}", f.fault);
}
